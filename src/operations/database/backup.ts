import { z } from "zod";
import { TerminalError, type DurableContext } from "../../engine/context.ts";
import { sha256 } from "../../json.ts";
import {
  defineOperation,
  type Finding,
  type Operation,
  type OperationCall,
  type OperationReport,
} from "../../operation.ts";
import { bad, bytesText, concluded, good } from "../checks/findings.ts";
import type { BackupManifest, BackupProof, DatabasePorts } from "./ports.ts";

/** Copying, compressing and encrypting; and the same again for the proof. */
const BACKUP_MS = 3_600_000;

const args = z.strictObject({
  _: z.array(z.string()).max(0, "takes no arguments but --verify").default([]),
  /** Proves the newest backup again instead of making one. */
  verify: z.literal(true).optional(),
});
type Args = z.output<typeof args>;

type BackupPorts = Pick<DatabasePorts, "backups">;

/** `backup-databases`: makes a backup, proves it by restoring where the key is at hand, and removes the oldest. */
export function backupOperation({ backups }: BackupPorts): Operation {
  return defineOperation<Args>({
    name: "backup-databases",
    script: "sh",
    title: "Backs up the database, encrypted, and proves the backup by restoring it",
    args,
    // It only reads what is in production; backups are added and, beyond the configured number, removed.
    changes: [],
    deadlineMs: 2 * BACKUP_MS,
    run: async (ctx, call) => {
      const manifest = call.args.verify === true ? await newest(ctx, call, backups) : await create(ctx, call, backups);
      const report = await prove(ctx, call, backups, manifest);
      if (call.args.verify !== true) await prune(ctx, call, backups);
      return report;
    },
  });
}

async function create(
  ctx: DurableContext,
  call: OperationCall<Args>,
  backups: BackupPorts["backups"],
): Promise<BackupManifest> {
  const stamp = new Date(await ctx.now()).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  // From frozen data and the journal's time, so that a resumed run finds the backup that it began.
  const id = `${stamp}-${sha256(`${ctx.runId}/${call.stepName}`).slice(0, 8)}`;
  return ctx.step(`${call.stepName}/create`, (scope) => backups.create(id, scope), {
    disposition: { kind: "idempotent" },
    deadlineMs: BACKUP_MS,
  });
}

async function newest(
  ctx: DurableContext,
  call: OperationCall<Args>,
  backups: BackupPorts["backups"],
): Promise<BackupManifest> {
  const fn = async (): Promise<BackupManifest> => {
    const [manifest] = await backups.list();
    if (manifest === undefined) throw new TerminalError("CHECK_FAILED", `There are no ${backups.name}`);
    return manifest;
  };
  return ctx.step(`${call.stepName}/newest`, fn, {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs: 60_000,
  });
}

async function prove(
  ctx: DurableContext,
  call: OperationCall<Args>,
  backups: BackupPorts["backups"],
  manifest: BackupManifest,
): Promise<OperationReport> {
  const { kind, problems } = await ctx.step<BackupProof>(
    `${call.stepName}/prove`,
    async (scope) => {
      const proof = await backups.prove(manifest, scope);
      if (proof.problems.length === 0 && manifest.proof !== proof.kind) await backups.markProved(manifest, proof.kind);
      return proof;
    },
    { disposition: { kind: "idempotent" }, deadlineMs: BACKUP_MS },
  );
  const subject = `backup ${manifest.id}`;
  const proved =
    kind === "restored"
      ? "restored into a temporary database, every table is equal"
      : "size and digest of the archive are right; without backupKeyFile it cannot be restored here";
  const findings: Finding[] = problems.map((problem) => bad(subject, problem));
  if (problems.length === 0) findings.push(good(subject, proved));
  const { recipients } = manifest;
  const encryption =
    recipients.length === 0
      ? "not encrypted: no backupRecipients are configured"
      : `encrypted to ${recipients.join(", ")}`;
  findings.push(good("encryption", encryption));
  const rows = Object.values(manifest.tables).reduce((sum, table) => sum + table.rows, 0);
  const what = `${rows} rows in ${Object.keys(manifest.tables).length} tables, ${bytesText(manifest.bytes)}`;
  const summary = `${manifest.database} is backed up as ${manifest.file}: ${what}, ${recipients.length === 0 ? "not encrypted" : "encrypted"}, ${kind === "restored" ? "proved by restoring" : "archive verified"}`;
  const { id, file, sha256: digest, bytes, at, schemaVersion } = manifest;
  return concluded(findings, summary, {
    id,
    file,
    sha256: digest,
    bytes,
    at,
    rows,
    schemaVersion,
    proof: kind,
    recipients,
  });
}

async function prune(ctx: DurableContext, call: OperationCall<Args>, backups: BackupPorts["backups"]): Promise<void> {
  const keep = call.system.database.keepBackups;
  await ctx.step(`${call.stepName}/prune`, async (scope) => [...(await backups.prune(keep, scope))], {
    disposition: { kind: "idempotent" },
    deadlineMs: 60_000,
  });
}
