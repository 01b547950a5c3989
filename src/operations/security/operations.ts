import { defineOperation, type Operation } from "../../operation.ts";
import { concluded, noArguments, readStep } from "../checks/findings.ts";
import type { SecurityPorts } from "./ports.ts";

const DEADLINE_MS = 600_000;

/** `security-penetration-test`: attacks one's own endpoints and looks at the hosts from inside; `high` findings fail it. */
export function securityOperations(ports: SecurityPorts): Operation[] {
  return [
    defineOperation({
      name: "security-penetration-test",
      script: "js",
      title: "Attacks the system's own endpoints and looks for weaknesses on its hosts",
      args: noArguments,
      changes: [],
      deadlineMs: DEADLINE_MS,
      run: async (ctx, call) => {
        const found = await readStep(ctx, call, "test", DEADLINE_MS, async (scope) => {
          const { attack } = await import("./attack.ts");
          return attack(ports, call, scope.signal);
        });
        const count = (severity: string): number => found.filter((one) => one.severity === severity).length;
        const reported = found.map(({ subject, ok, message }) => ({ subject, ok, message }));
        return concluded(
          reported,
          `${found.length} probes found nothing of high severity; ${count("medium")} medium, ${count("low")} low`,
          { high: 0, medium: count("medium"), low: count("low") },
        );
      },
    }),
  ];
}
