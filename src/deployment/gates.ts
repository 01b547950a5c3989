import { StepFailedError, TerminalError, type DurableContext } from "../engine/context.ts";
import type { Plan, PlanGate } from "../plan/model.ts";
import type { DeploymentPorts, GateOutcome } from "./ports.ts";
import type { ProgressBoard } from "./progress.ts";
import { operationOf } from "./run-step.ts";

/** Carries out every gate that is bound to a check, in order; all of them, so that people see everything that is wrong. */
export async function checkGates(
  ctx: DurableContext,
  plan: Plan,
  ports: DeploymentPorts,
  board: ProgressBoard,
): Promise<readonly GateOutcome[]> {
  const outcomes: GateOutcome[] = [];
  for (const gate of plan.gates) {
    if (gate.binding.kind === "attest") continue;
    const outcome = await checkGate(ctx, gate, plan, ports);
    board.gate(outcome);
    outcomes.push(outcome);
  }
  return outcomes;
}

async function checkGate(
  ctx: DurableContext,
  gate: PlanGate,
  plan: Plan,
  ports: DeploymentPorts,
): Promise<GateOutcome> {
  const { binding } = gate;
  const stepName = `gate/${gate.id}`;
  if (binding.kind === "command") {
    return ctx.step(stepName, (scope) => ports.commandGate(gate, plan, scope.log, scope.signal), {
      disposition: { kind: "idempotent", readOnly: true },
      deadlineMs: binding.timeoutMs,
    });
  }
  if (binding.kind === "attest") throw new Error("an attested gate has no check");
  try {
    const operation = operationOf(ports, { operation: binding.name });
    const report = await operation.run(ctx, {
      args: operation.args.parse({ _: [], ...binding.args }),
      facts: null,
      system: plan.system,
      release: plan.release,
      previous: plan.previous,
      stepName,
      actor: plan.author,
      mode: "deploy",
      earlier: {},
    });
    return { id: gate.id, text: gate.text, state: "passed", by: binding.name, evidence: report.summary };
  } catch (error) {
    if (!(error instanceof StepFailedError || error instanceof TerminalError)) throw error;
    return { id: gate.id, text: gate.text, state: "failed", by: binding.name, evidence: error.message };
  }
}
