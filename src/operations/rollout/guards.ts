import type { RetryPolicy, StepCall } from "../../engine/context.ts";
import { capacityProblem, minServing } from "./capacity.ts";
import { ordering, reading, refusal } from "./steps.ts";
import type { Subjected } from "./steps.ts";
import type { TurnEnv } from "./turn.ts";

/** Fails while taking these hosts out of traffic would leave too few. `part` names the step. */
export function capacityStep(env: TurnEnv, part: string, group: readonly string[]): StepCall<null> {
  return reading({
    name: `${env.stepName}/${part}/capacity`,
    deadlineMs: 30_000,
    async run(scope) {
      const problem = capacityProblem(await env.ports.loadBalancer.read(scope.signal), group, minServing(env.system));
      if (problem === undefined) return null;
      throw refusal("CAPACITY_TOO_LOW", problem, [{ subject: group.join(", "), ok: false, message: problem }]);
    },
  });
}

/**
 * Makes hosts refuse what an earlier holder of the lease may still send, and ends what it left running, before their
 * state is believed: a fence protects only what the new holder has touched. `retry`: where not as other steps.
 */
export function fenceSteps(env: TurnEnv, hosts: readonly string[], retry?: RetryPolicy): Subjected<null>[] {
  return hosts.map((host) => ({
    subject: host,
    call: ordering({
      name: `${env.stepName}/${host}/fence`,
      deadlineMs: 60_000,
      ...(retry === undefined ? {} : { retry }),
      async run(scope) {
        await env.ports.fleet.raiseFence(host, scope);
        return null;
      },
    }),
  }));
}
