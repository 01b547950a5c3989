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

/** Where the fence is raised otherwise than by a step like all others. */
export interface FenceLimits {
  readonly retry?: RetryPolicy;
  /** What a host gets to answer, from when it is its turn to be asked; default what a change may take. */
  readonly withinMs?: number;
  /** Names the step; default "fence". */
  readonly part?: string;
}

/**
 * Makes hosts refuse what an earlier holder of the lease may still send, and ends what it left running, before their
 * state is believed: a fence protects only what the new holder has touched.
 */
export function fenceSteps(env: TurnEnv, hosts: readonly string[], limits: FenceLimits = {}): Subjected<null>[] {
  const { retry, withinMs, part = "fence" } = limits;
  return hosts.map((host) => ({
    subject: host,
    call: ordering({
      name: `${env.stepName}/${host}/${part}`,
      deadlineMs: 60_000,
      ...(retry === undefined ? {} : { retry }),
      async run(scope) {
        await env.ports.fleet.raiseFence(host, scope, withinMs);
        return null;
      },
    }),
  }));
}
