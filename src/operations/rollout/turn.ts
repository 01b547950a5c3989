import { sleep } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import type { DurableContext, StepCall, StepScope } from "../../engine/context.ts";
import type { System } from "../../system/schema.ts";
import type { Activation, Confirmation, Probe, RolloutPorts } from "./ports.ts";
import { ordering, reading, refusal } from "./steps.ts";
import { lastWords } from "./survey.ts";

/*
 * The steps of one host's turn: drain, activate, look at it, confirm, back into traffic. Each is one durable step, named
 * `<plan step>/<host>/<part>`, and orders a state, so that running it again after a crash does no harm.
 */

export interface TurnEnv {
  readonly ports: RolloutPorts;
  readonly system: System;
  /** Names of steps start with it. */
  readonly stepName: string;
}

/** Connections and requests that a draining host had to break off, which is 0 unless it was forced. */
export interface Drained {
  readonly closedUpgraded: number;
  readonly closedRequests: number;
}

/** Beyond what the work itself may take, for reaching the target. */
const MARGIN_MS = 30_000;
/** Between two questions to a service that starts; grows, since each also reads the host. */
const PROBE_AGAIN_MS = 100;
const PROBE_AT_LEAST_MS = 1_000;
const CLOSE_MS = 2_000;
const UPGRADED_LOOK_MS = 2_000;

/**
 * Takes a host out of traffic and waits for what is in flight; WebSockets, which would never end, are closed after their
 * grace. With `force`, what is left at the end is closed as well: for rollbacks, where staying is worse.
 */
export function drainStep(env: TurnEnv, host: string, options: { readonly force: boolean }): StepCall<Drained> {
  const { loadBalancer } = env.ports;
  return ordering({
    name: `${env.stepName}/${host}/drain`,
    deadlineMs: env.system.rollout.drainTimeoutMs + MARGIN_MS,
    target: loadBalancer.target,
    async run(scope) {
      await loadBalancer.set(host, { admin: "drain" }, scope);
      return waitUntilIdle(env, host, options.force, scope);
    },
  });
}

async function waitUntilIdle(env: TurnEnv, host: string, force: boolean, scope: StepScope): Promise<Drained> {
  const { loadBalancer } = env.ports;
  const { drainTimeoutMs, websocketGraceMs } = env.system.rollout;
  const grace = Math.min(websocketGraceMs, drainTimeoutMs);
  let left = await loadBalancer.waitIdle(host, grace, scope);
  for (let waited = grace; left.sessions > left.upgraded && waited < drainTimeoutMs;) {
    // Beside WebSockets it shows only by looking again that the requests have ended: nothing is idle before these are.
    const next = Math.min(drainTimeoutMs - waited, left.upgraded > 0 ? UPGRADED_LOOK_MS : drainTimeoutMs);
    left = await loadBalancer.waitIdle(host, next, scope);
    waited += next;
  }
  if (left.sessions === 0) return { closedUpgraded: 0, closedRequests: 0 };
  const requests = left.sessions - left.upgraded;
  if (requests > 0 && !force) {
    const message = `${host}: ${requests} requests are still in flight after ${drainTimeoutMs} ms, the limit is 0`;
    throw refusal("DRAIN_TIMEOUT", message, [{ subject: host, ok: false, message }]);
  }
  await loadBalancer.closeSessions(host, scope);
  await loadBalancer.waitIdle(host, CLOSE_MS, scope);
  return { closedUpgraded: left.upgraded, closedRequests: requests };
}

/** Unpacks a release on a host, beside what runs there. */
export function installStep(
  env: TurnEnv,
  host: string,
  release: Parameters<RolloutPorts["fleet"]["install"]>[1],
): StepCall<{ readonly installed: boolean }> {
  return ordering({
    name: `${env.stepName}/${host}/install`,
    deadlineMs: 600_000 + MARGIN_MS,
    run: (scope) => env.ports.fleet.install(host, release, scope),
  });
}

export interface TurnOrder {
  readonly host: string;
  readonly releaseId: string | null;
  /** The version that has to answer; null when nothing is to run. */
  readonly version: string | null;
  /** From 1; a host that took its activation back is activated again under the next. */
  readonly turn: number;
  readonly confirmWithinMs: number | null;
}

/** What the host knows the turn by; unique within all runs. */
export function turnName(ctx: DurableContext, env: TurnEnv, order: TurnOrder): string {
  return `${ctx.runId}/${env.stepName}/${order.host}/turn-${order.turn}`;
}

/**
 * Switches and restarts. Its outcome is read from the host under a newer fence, which ends what is left of an earlier
 * attempt; a turn can be carried out again, so "cannot be asked" means "again" and not "held": the dead-man is armed.
 */
export function activateStep(ctx: DurableContext, env: TurnEnv, order: TurnOrder): StepCall<Activation> {
  const { fleet } = env.ports;
  const turn = turnName(ctx, env, order);
  const { host, releaseId, confirmWithinMs } = order;
  const name = `${env.stepName}/${host}/activate/turn-${order.turn}`;
  const { options } = ordering<Activation>({ name, deadlineMs: 180_000, run: (scope) => run(scope) });
  const run = (scope: StepScope): Promise<Activation> =>
    fleet.activate(host, releaseId, { turn, confirmWithinMs }, scope);
  return {
    name,
    fn: run,
    options: {
      ...options,
      disposition: {
        kind: "probe",
        async probe(scope) {
          try {
            await fleet.raiseFence(host, scope);
            const { last } = await fleet.read(host, scope.signal);
            if (last === null || last.turn !== turn || last.state === "begun") return { state: "not-done" };
            return { state: "done", value: { turn, releaseId, state: last.state, reason: last.reason } };
          } catch {
            return { state: "not-done" };
          }
        },
      },
    },
  };
}

/** What is looked for: `turn` is the host's name of an activation that may take itself back meanwhile. */
export interface HealthOrder extends Pick<TurnOrder, "host" | "version" | "turn"> {
  readonly pendingTurn?: string;
}

/**
 * Asks the service directly until it answers with the right version, then waits until the load balancer sees it as well.
 * A service that is gone is not waited for. An activation that was taken back meanwhile is left to its confirmation.
 */
export function healthStep(env: TurnEnv, order: HealthOrder): StepCall<Probe> {
  const { healthTimeoutMs } = env.system.rollout;
  return reading({
    name: `${env.stepName}/${order.host}/health/turn-${order.turn}`,
    deadlineMs: 2 * healthTimeoutMs + MARGIN_MS,
    run: (scope) => becomesHealthy(env, order, scope),
  });
}

async function becomesHealthy(env: TurnEnv, order: HealthOrder, scope: StepScope): Promise<Probe> {
  const { host, version } = order;
  const { fleet, clock } = env.ports;
  const { healthTimeoutMs } = env.system.rollout;
  const end = clock.monotonic() + healthTimeoutMs;
  for (let pauseMs = PROBE_AGAIN_MS; ; pauseMs = Math.min(PROBE_AT_LEAST_MS, pauseMs * 1.5)) {
    const probe = await fleet.probe(host, scope.signal);
    const problem = probeProblem(probe, version);
    if (problem === undefined) return seenByBalancer(env, host, probe, Math.max(0, end - clock.monotonic()), scope);
    const { service, last, pending } = await fleet.read(host, scope.signal);
    if (last?.turn === order.pendingTurn && last?.state === "reverted") return probe;
    // The host is taking it back at this moment: what it stopped for that did not end by itself.
    const leaving = pending !== null && pending.turn === order.pendingTurn && pending.remainingMs <= 0;
    if (service === "stopped" && !leaving) {
      throw unhealthy(
        host,
        `the service does not run, it ended after its start${await lastWords(env.ports, host, scope)}`,
      );
    }
    if (clock.monotonic() >= end) {
      throw unhealthy(
        host,
        `not healthy after ${healthTimeoutMs} ms: ${problem}${await lastWords(env.ports, host, scope)}`,
      );
    }
    await sleep(clock, pauseMs, scope.signal);
  }
}

async function seenByBalancer(
  env: TurnEnv,
  host: string,
  probe: Probe,
  withinMs: number,
  scope: StepScope,
): Promise<Probe> {
  const { loadBalancer } = env.ports;
  if (await loadBalancer.waitUp(host, withinMs, scope)) return probe;
  const server = (await loadBalancer.read(scope.signal)).find((one) => one.name === host);
  throw unhealthy(host, `it answers directly, but the load balancer sees it down (${server?.check ?? "unknown"})`);
}

/** What is wrong with an answer, or undefined. */
export function probeProblem(probe: Probe, version: string | null): string | undefined {
  if (!probe.ok) return probe.reason;
  if (version === null || probe.version === version) return undefined;
  if (probe.version === null)
    return `its health answer names no version, \`health.versionField\` says where; expected is ${version}`;
  return `it answers as version ${probe.version}, expected is ${version}`;
}

/** The error of a host that is not as healthy as it has to be. */
export function unhealthy(host: string, why: string): TerminalError {
  const message = `${host}: ${why}`;
  return refusal("HEALTH_CHECK_FAILED", message, [{ subject: host, ok: false, message: why }]);
}

/** Makes the turn final, or keeps it as an exposure for `exposureMs`. `part` names the step. */
export function confirmStep(
  ctx: DurableContext,
  env: TurnEnv,
  order: TurnOrder,
  options: { readonly part: string; readonly exposureMs?: number },
): StepCall<Confirmation> {
  const { exposureMs } = options;
  const turn = turnName(ctx, env, order);
  return ordering({
    name: `${env.stepName}/${order.host}/${options.part}`,
    deadlineMs: 120_000,
    run: (scope) =>
      env.ports.fleet.confirm(order.host, exposureMs === undefined ? { turn } : { turn, exposureMs }, scope),
  });
}

/** Back into traffic, with a weight. */
export function trafficStep(
  env: TurnEnv,
  host: string,
  part: string,
  change: { readonly admin: "ready" | "drain"; readonly weightPercent: number },
): StepCall<null> {
  return ordering({
    name: `${env.stepName}/${host}/${part}`,
    deadlineMs: MARGIN_MS,
    target: env.ports.loadBalancer.target,
    async run(scope) {
      await env.ports.loadBalancer.set(host, change, scope);
      return null;
    },
  });
}
