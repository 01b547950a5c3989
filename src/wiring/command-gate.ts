import path from "node:path";
import type { GateOutcome } from "../deployment/ports.ts";
import type { ProcessRunner } from "../operations/subprocess/ports.ts";
import type { Plan, PlanGate } from "../plan/model.ts";

/** Runs the command that is bound to a gate; it passes when the command exits with 0. */
export async function commandGate(
  gate: PlanGate,
  plan: Plan,
  processes: ProcessRunner,
  environment: Readonly<Record<string, string>>,
  log: (text: string) => void,
  signal: AbortSignal,
): Promise<GateOutcome> {
  if (gate.binding.kind !== "command") throw new Error("the gate is bound to no command");
  const [program = "", ...args] = gate.binding.argv;
  const result = await processes.run(
    {
      argv: [program, ...args],
      cwd: path.dirname(plan.runbook?.file ?? "."),
      env: environment,
      deadlineMs: gate.binding.timeoutMs,
      onOutput: (text) => log(text),
    },
    signal,
  );
  const passed = result.status === 0;
  const last = `${result.stdout}\n${result.stderr}`.trim().split("\n").at(-1) ?? "";
  const ended =
    result.ended === null ? `exit status ${result.status ?? result.signal}` : `ended at its ${result.ended}`;
  return {
    id: gate.id,
    text: gate.text,
    state: passed ? "passed" : "failed",
    by: gate.binding.argv.join(" "),
    evidence: `${ended}${last === "" ? "" : `: ${last.slice(0, 300)}`}`,
  };
}
