import type { Clock } from "../../clock.ts";
import { defineOperation, type Finding, type Operation } from "../../operation.ts";
import { bad, concluded, durationText, good, noArguments, readStep } from "../checks/findings.ts";
import type { DatabasePorts } from "./ports.ts";

/** Opening, restoring and comparing the newest backup. */
const PROVE_MS = 3_600_000;

type Ports = Pick<DatabasePorts, "backups"> & { readonly clock: Clock };

/** `verify-backups`: the newest backup is young enough, and is proved again, by restoring where the key is at hand. */
export function verifyBackupsOperation({ backups, clock }: Ports): Operation {
  return defineOperation({
    name: "verify-backups",
    script: null,
    title: "Checks that the newest backup is recent, and proves it again",
    args: noArguments,
    changes: [],
    deadlineMs: PROVE_MS,
    run: async (ctx, call) => {
      const { maxBackupAgeMs } = call.system.database;
      const findings = await readStep<Finding[]>(ctx, call, "check", PROVE_MS, async (scope) => {
        const [newest] = await backups.list(scope.signal);
        if (newest === undefined) return [bad("backup", "there is none; `sunny run backup-databases` makes one")];
        const age = clock.now() - Date.parse(newest.at);
        const subject = `backup ${newest.id}`;
        const text = `is ${durationText(age)} old, at most ${durationText(maxBackupAgeMs)} are good`;
        const { kind, problems } = await backups.prove(newest, scope);
        const proof = kind === "restored" ? "was restored and compared" : "has the recorded size and digest";
        return [
          age > maxBackupAgeMs ? bad(subject, text) : good(subject, text),
          ...(problems.length === 0 ? [good(subject, proof)] : problems.map((problem) => bad(subject, problem))),
        ];
      });
      return concluded(findings, `The newest backup is recent and good`);
    },
  });
}
