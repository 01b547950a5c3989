import { z } from "zod";
import { StepFailedError, TerminalError, type DurableContext, type StepScope } from "../../engine/context.ts";
import {
  defineOperation,
  type Finding,
  type Operation,
  type OperationCall,
  type OperationReport,
} from "../../operation.ts";
import { concluded, good, readStep } from "../checks/findings.ts";
import { fingerprint, judgeCertificate } from "./judge.ts";
import type { CertificateSpec, TlsPorts } from "./ports.ts";
import { judgeOne, servedAt } from "./verify-ssl.ts";

const STEP_MS = 120_000;

const args = z.strictObject({
  /** Names of certificates; all of them without. */
  _: z.array(z.string()).default([]),
  /** Renews also what is not due. */
  force: z.literal(true).optional(),
});
type Args = z.output<typeof args>;

/** `renew-ssl`: replaces what is due, reloads the server, and makes sure that the new certificate is served. */
export function renewSslOperation(ports: TlsPorts): Operation {
  return defineOperation<Args>({
    name: "renew-ssl",
    script: "sh",
    title: "Renews certificates that are due, and makes sure that they are served",
    args,
    changes: ["certificates"],
    restores: true,
    deadlineMs: 1_200_000,
    run: (ctx, call) => renew(ports, ctx, call),
    wayBack: {
      kind: "revert",
      describe: "certificates that were replaced in this run return to the files they had",
      run: async (ctx, call) => {
        const restored: string[] = [];
        for (const spec of call.system.certificates) {
          if (await putBack(ports, ctx, call, spec)) restored.push(spec.name);
        }
        const summary =
          restored.length === 0
            ? "Not needed: no certificate was replaced"
            : `Returned to the files before: ${restored.join(", ")}`;
        return { summary, data: { restored } };
      },
    },
  });
}

async function renew(ports: TlsPorts, ctx: DurableContext, call: OperationCall<Args>): Promise<OperationReport> {
  const findings: Finding[] = [];
  const renewed: string[] = [];
  for (const spec of chosen(call)) {
    const due = await readStep(ctx, call, `${spec.name}/read`, STEP_MS, () =>
      dueReason(ports, spec, call.args.force === true),
    );
    if (due !== null) {
      findings.push(...(await renewOne(ports, ctx, call, spec)));
      renewed.push(`${spec.name} (${due})`);
      continue;
    }
    findings.push(good(`certificate ${spec.name}`, "not due"));
    const stale = await readStep(ctx, call, `${spec.name}/served`, STEP_MS, ({ signal }) =>
      isStale(ports, call, spec, signal),
    );
    if (!stale) continue;
    // Somebody has replaced the files, or was stopped before the server read them.
    await reload(ports, ctx, call, spec, "reload");
    findings.push(...(await verify(ports, ctx, call, spec)));
    renewed.push(`${spec.name} (it was not what is served)`);
  }
  const summary =
    renewed.length === 0 ? "Not needed: no certificate is due" : `Renewed and served: ${renewed.join("; ")}`;
  return concluded(findings, summary, { renewed });
}

/** Why a certificate is to be renewed; null when it is not due. Files that cannot be read are a reason as well. */
async function dueReason({ files, clock }: TlsPorts, spec: CertificateSpec, force: boolean): Promise<string | null> {
  if (force) return "asked for";
  try {
    const broken = judgeCertificate(spec, await files.read(spec), clock.now()).find(({ ok }) => !ok);
    return broken?.message ?? null;
  } catch (error) {
    if (error instanceof TerminalError && error.code === "CERTIFICATE_UNREADABLE") return error.message;
    throw error;
  }
}

/** Whether something else than what is in its files is served where it can be reached. */
async function isStale(
  { files, probe }: TlsPorts,
  { system }: OperationCall<Args>,
  spec: CertificateSpec,
  signal: AbortSignal,
): Promise<boolean> {
  const { chainPem } = await files.read(spec);
  for (const target of servedAt(system, spec)) {
    try {
      const served = await probe.served(target, signal);
      if (fingerprint(served.chainPem[0] ?? "") !== fingerprint(chainPem[0] ?? "")) return true;
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
    }
  }
  return false;
}

async function verify(
  ports: TlsPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
  spec: CertificateSpec,
): Promise<Finding[]> {
  const found = await readStep(ctx, call, `${spec.name}/verify`, STEP_MS, ({ signal }) =>
    judgeOne(ports, call.system, spec, ports.clock.now(), signal),
  );
  concluded(found, "");
  return found;
}

async function renewOne(
  ports: TlsPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
  spec: CertificateSpec,
): Promise<Finding[]> {
  const issuer = ports.issuerOf(spec);
  if (issuer === null) {
    throw new TerminalError(
      "CERTIFICATE_ISSUE_FAILED",
      `The certificate ${spec.name} is due and has no issuer in the configuration; nothing was changed`,
    );
  }
  const turn = turnOf(ctx, call, spec);
  // Issued and put in place in one step: the key is never part of a result.
  const replace = async (scope: StepScope): Promise<null> => {
    await ports.files.replace(spec, await issuer.issue(spec, scope), turn, scope);
    return null;
  };
  try {
    await ctx.step<null>(`${call.stepName}/${spec.name}/replace`, replace, {
      disposition: {
        kind: "probe",
        probe: async () =>
          (await ports.files.replacedBy(spec, turn)) ? { state: "done", value: null } : { state: "not-done" },
      },
      deadlineMs: STEP_MS,
    });
    await reload(ports, ctx, call, spec, "reload");
    return await verify(ports, ctx, call, spec);
  } catch (error) {
    if (!(error instanceof StepFailedError || error instanceof TerminalError)) throw error;
    const back = await putBack(ports, ctx, call, spec);
    const state = back ? "the certificate before is back in place" : "nothing was changed";
    throw new TerminalError(error.code, `${spec.name} was not renewed, ${state}: ${error.message}`, error.details);
  }
}

async function putBack(
  ports: TlsPorts,
  ctx: DurableContext,
  call: OperationCall<unknown>,
  spec: CertificateSpec,
): Promise<boolean> {
  const turn = turnOf(ctx, call, spec);
  const restored = await ctx.step(
    `${call.stepName}/${spec.name}/restore`,
    (scope) => ports.files.restore(spec, turn, scope),
    {
      disposition: { kind: "idempotent" },
      deadlineMs: STEP_MS,
    },
  );
  if (restored) await reload(ports, ctx, call, spec, "reload-restored");
  return restored;
}

async function reload(
  ports: TlsPorts,
  ctx: DurableContext,
  call: OperationCall<unknown>,
  spec: CertificateSpec,
  part: string,
): Promise<void> {
  const fn = async (scope: StepScope): Promise<null> => {
    await ports.reloader.reload(spec, scope);
    return null;
  };
  await ctx.step<null>(`${call.stepName}/${spec.name}/${part}`, fn, {
    disposition: { kind: "idempotent" },
    deadlineMs: STEP_MS,
    retry: { maxAttempts: 3 },
  });
}

/** The same in the step and in its way back, which are steps of other names, and may be of another run. */
function turnOf(
  ctx: DurableContext,
  { actedIn = ctx.runId }: Pick<OperationCall<unknown>, "actedIn">,
  spec: CertificateSpec,
): string {
  return `${actedIn}/${spec.name}`;
}

function chosen({ args, system }: OperationCall<Args>): readonly CertificateSpec[] {
  const known = system.certificates.map(({ name }) => name);
  const unknown = args._.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const there = known.length === 0 ? "none are configured" : `there are ${known.join(", ")}`;
    throw new TerminalError("USAGE", `There is no certificate ${unknown.join(", ")}; ${there}`);
  }
  return args._.length === 0 ? system.certificates : system.certificates.filter(({ name }) => args._.includes(name));
}
