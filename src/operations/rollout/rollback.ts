import { z } from "zod";
import { TerminalError, type DurableContext, type RetryPolicy } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport, ReleaseRef } from "../../operation.ts";
import { armsStep } from "./bake.ts";
import { isServing, minServingInRollback, nextToBringBack } from "./capacity.ts";
import { fenceSteps } from "./guards.ts";
import type { RolloutPorts, ServerState } from "./ports.ts";
import { foreignHosts, foreignRemedy, refuseForeignHosts } from "./preconditions.ts";
import { resolveTarget } from "./resolve-release.ts";
import type { Target } from "./resolve-release.ts";
import { one, reading, refusal, settle } from "./steps.ts";
import type { Subjected } from "./steps.ts";
import { surveyStep } from "./survey.ts";
import type { Survey, SurveyedHost } from "./survey.ts";
import { activateStep, drainStep, healthStep, installStep, probeProblem, trafficStep } from "./turn.ts";
import type { TurnEnv } from "./turn.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "rollback takes options only").default([]),
  /** The version, or the id of the release, to go back to. */
  version: z.string().min(1),
});
type Args = z.output<typeof args>;

/** Puts every host back on a version, as fast as the capacity allows. */
export function rollback(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "rollback",
    script: "sh",
    title: "Put every host back on a version (--version V), at once",
    args,
    changes: ["hosts", "traffic"],
    restores: true,
    deadlineMs: 3 * 3_600_000,
    async observe({ args: { version }, previous, system, mode }) {
      await refuseForeignHosts(
        ports,
        system.hosts.map((host) => host.name),
        mode,
      );
      return refuseNewerSchema(ports, version, previous);
    },
    run: (ctx, call) => rollBackTo(ctx, ports, call, call.args.version),
    wayBack: { kind: "none", why: "it is the way back itself; from wherever it stops, it can be run again" },
  });
}

/**
 * A rollback takes migrations back and never makes them: on a release that needs more than there is no host would become
 * healthy. Asked when the plan is made, before anything is touched.
 *
 * @throws TerminalError SCHEMA_BEHIND
 */
export async function refuseNewerSchema(
  { schema }: Pick<RolloutPorts, "schema">,
  version: string,
  previous: ReleaseRef | null,
): Promise<null> {
  const missing = await schema.missing(version, previous);
  if (missing.length === 0) return null;
  throw new TerminalError(
    "SCHEMA_BEHIND",
    `${version} needs ${missing.join(", ")}, which the database does not have, and a rollback only takes migrations back. \`sunny deploy --release ${version}\` migrates first`,
  );
}

type Call = Pick<OperationCall<unknown>, "system" | "previous" | "stepName">;

/**
 * Brings every host to a version from whatever state it is in: half activated, crashed, drained, with an armed dead-man.
 * Hosts that do not serve come first and cost no capacity; a host that fails does not keep the others from going back.
 *
 * @throws TerminalError RELEASE_UNKNOWN before anything was changed, ROLLBACK_INCOMPLETE with each host that is not back.
 */
export async function rollBackTo(
  ctx: DurableContext,
  ports: RolloutPorts,
  call: Call,
  wanted: string,
): Promise<OperationReport> {
  const env: TurnEnv = { ports, system: call.system, stepName: call.stepName };
  const found = await fencedSurvey(ctx, env);
  const target = await one(
    ctx,
    reading({
      name: `${env.stepName}/target`,
      deadlineMs: 60_000,
      run: () => resolveTarget(wanted, call, found.hosts, ports.releases),
    }),
  );
  return bringBack(ctx, env, found, target);
}

/** Takes a first deployment back to the state before it: nothing runs, `current` does not exist. */
export async function takeDown(ctx: DurableContext, ports: RolloutPorts, call: Call): Promise<OperationReport> {
  const env: TurnEnv = { ports, system: call.system, stepName: call.stepName };
  const found = await fencedSurvey(ctx, env);
  return bringBack(ctx, env, found, null);
}

/** A host that hangs keeps the others from going back for so long only. */
const FENCE_RETRY: RetryPolicy = { maxAttempts: 2, initialMs: 500, factor: 2, maxMs: 5_000 };

/** A host that refuses the fence or does not answer is found as such by the survey, or by its own turn. */
async function fencedSurvey(ctx: DurableContext, env: TurnEnv): Promise<Survey> {
  const hosts = env.system.hosts.map((host) => host.name);
  await settle(ctx, fenceSteps(env, hosts, FENCE_RETRY));
  return one(ctx, surveyStep(env.ports, `${env.stepName}/survey`, hosts));
}

async function bringBack(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  target: Target | null,
): Promise<OperationReport> {
  const goal = target === null ? "no release" : target.version;
  const { authority } = env.ports;
  // Their traffic is not ours to take either, and a load balancer that knows no fence would do it.
  const foreign = foreignHosts(authority, found.hosts);
  const own = found.hosts.filter(({ host }) => !foreign.some(({ subject }) => subject === host));
  const back = own.filter((host) => isThere(host, target));
  const away = own.filter((host) => !isThere(host, target) && host.state !== null).toSorted(byUrgency);
  const lost = own.filter((host) => host.state === null);
  const failures: Finding[] = lost.map(({ host, problem }) => ({ subject: host, ok: false, message: problem }));
  for (const one of foreign) {
    const remedy = one === foreign.at(-1) ? `, ${foreignRemedy(authority)}` : "";
    failures.push({ ...one, message: `${one.message} and is left as it is${remedy}` });
  }
  const hosts = found.hosts.map(({ host }) => host);
  if (away.length > 0) await one(ctx, armsStep(env, "watch-nothing", { canary: [], baseline: [] }));

  // First, since every host that is back already and out of traffic would be missing while the others go.
  const notReturned = await returnToTraffic(ctx, env, found, back);
  failures.push(...notReturned);
  let remaining = away.map(({ host }) => host);
  let failed = notReturned.length > 0;
  for (let round = 1; remaining.length > 0; round++) {
    const servers = await one(ctx, balancerStep(env, `round-${round}/capacity`));
    const group = nextToBringBack(remaining, servers, minServingInRollback(env.system), failed);
    if (group.length === 0) {
      const why = "left as it is, since others did not come back and too few would serve without it";
      failures.push(...remaining.map((host) => ({ subject: host, ok: false, message: `${host}: ${why}` })));
      break;
    }
    const bad = await bringGroupBack(ctx, env, group, target);
    failed ||= bad.length > 0;
    failures.push(...bad);
    remaining = remaining.filter((host) => !group.includes(host));
  }
  failures.push(...(await leaveOut(ctx, env, found, lost)));
  if (failures.length > 0) {
    const message = `not every host is back on ${goal}: ${failures.map((one) => one.message).join("; ")}`;
    throw refusal("ROLLBACK_INCOMPLETE", message, failures);
  }
  const baseline = target === null ? [] : hosts;
  if (away.length > 0) await one(ctx, armsStep(env, "watch", { canary: [], baseline }));
  return report(hosts, away, target);
}

/** Whether a host is where it has to be, and would stay there. */
function isThere({ state, probe }: SurveyedHost, target: Target | null): boolean {
  if (state === null || state.pending !== null) return false;
  if (target === null) return state.active === null && state.service === "stopped";
  return state.active?.id === target.id && probe !== null && probeProblem(probe, target.version) === undefined;
}

/** Hosts that answer badly or not at all first; then the order of the configuration. */
function byUrgency(a: SurveyedHost, b: SurveyedHost): number {
  return Number(a.probe?.ok === true) - Number(b.probe?.ok === true);
}

function balancerStep(env: TurnEnv, part: string) {
  return reading<ServerState[]>({
    name: `${env.stepName}/${part}`,
    deadlineMs: 30_000,
    run: async (scope) => [...(await env.ports.loadBalancer.read(scope.signal))],
  });
}

/** Part by part; a host whose part failed is left where it is, out of traffic, and named. */
async function bringGroupBack(
  ctx: DurableContext,
  env: TurnEnv,
  group: readonly string[],
  target: Target | null,
): Promise<Finding[]> {
  const failures: Finding[] = [];
  let going = group;
  const part = async <T>(calls: (host: string) => Subjected<T>["call"]): Promise<void> => {
    const ends = await settle(
      ctx,
      going.map((host) => ({ subject: host, call: calls(host) })),
    );
    for (const { subject, end } of ends) {
      if (!end.ok) failures.push({ subject, ok: false, message: end.error.message });
    }
    going = going.filter((host) => !failures.some((failure) => failure.subject === host));
  };
  const version = target?.version ?? null;
  const order = (host: string) => ({ host, releaseId: target?.id ?? null, version, turn: 1, confirmWithinMs: null });
  await part((host) => drainStep(env, host, { force: true }));
  const ref = target?.ref;
  if (ref !== undefined && ref !== null) await part((host) => installStep(env, host, ref));
  await part((host) => activateStep(ctx, env, order(host)));
  if (target !== null) await part((host) => healthStep(env, order(host)));
  await part((host) => trafficStep(env, host, "ready", { admin: "ready", weightPercent: 100 }));
  return failures;
}

/** Hosts that were back already may be drained, or have a canary's weight. */
async function returnToTraffic(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  back: readonly SurveyedHost[],
): Promise<Finding[]> {
  const isThere = (host: string): boolean => {
    const server = found.servers.find((one) => one.name === host);
    return server === undefined || (server.admin === "ready" && server.weightPercent === 100);
  };
  const calls = back
    .filter(({ host }) => !isThere(host))
    .map(({ host }) => ({
      subject: host,
      call: trafficStep(env, host, "ready", { admin: "ready", weightPercent: 100 }),
    }));
  return problemsIn(await settle(ctx, calls));
}

/** Hosts that cannot be read leave traffic, when others are in it. */
async function leaveOut(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  lost: readonly SurveyedHost[],
): Promise<Finding[]> {
  const others = found.servers.filter((server) => isServing(server) && !lost.some(({ host }) => host === server.name));
  const calls = lost
    .filter(({ host }) => others.length > 0 && found.servers.some((server) => server.name === host))
    .map(({ host }) => ({
      subject: host,
      call: trafficStep(env, host, "leave-out", { admin: "drain", weightPercent: 100 }),
    }));
  return problemsIn(await settle(ctx, calls));
}

function problemsIn(ends: Awaited<ReturnType<typeof settle>>): Finding[] {
  return ends.flatMap(({ subject, end }) => (end.ok ? [] : [{ subject, ok: false, message: end.error.message }]));
}

function report(hosts: readonly string[], away: readonly SurveyedHost[], target: Target | null): OperationReport {
  const moved = away.map(({ host }) => host);
  const goal = target === null ? "run nothing, as before the first deployment" : `serve ${target.version}`;
  const findings = hosts.map((host) => ({
    subject: host,
    ok: true,
    message: moved.includes(host) ? `went back to ${target?.version ?? "nothing"}` : "not needed: it was there already",
  }));
  return {
    summary:
      moved.length === 0
        ? `not needed: all ${hosts.length} hosts already ${goal}`
        : `${hosts.length} hosts ${goal}, ${moved.length} went back`,
    findings,
    data: { version: target?.version ?? null, releaseId: target?.id ?? null, hosts: moved },
  };
}
