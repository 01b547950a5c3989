import { z } from "zod";
import { TerminalError, type DurableContext, type RetryPolicy } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport, ReleaseRef } from "../../operation.ts";
import { armsStep } from "./bake.ts";
import { isServing, minServingInRollback, nextToBringBack } from "./capacity.ts";
import { fenceSteps } from "./guards.ts";
import type { FenceLimits } from "./guards.ts";
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
  const hosts = env.system.hosts.map((host) => host.name);
  const found = await fencedSurvey(ctx, env, "survey", hosts, HURRY);
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
  const hosts = env.system.hosts.map((host) => host.name);
  const found = await fencedSurvey(ctx, env, "survey", hosts, HURRY);
  return bringBack(ctx, env, found, null);
}

const FENCE_RETRY: RetryPolicy = { maxAttempts: 2, initialMs: 500, factor: 2, maxMs: 5_000 };
/** A host that hangs keeps the others from going back for so long only, and is asked again when these are back. */
const HURRY: FenceLimits = { retry: { ...FENCE_RETRY, maxAttempts: 1 }, withinMs: 10_000 };
const PATIENCE: FenceLimits = { retry: FENCE_RETRY, part: "fence-again" };
/** After these something that an earlier holder started may still be at work on the host. */
const UNANSWERED: readonly string[] = ["HOST_UNREACHABLE", "HOST_SCRIPT_LOST", "HOST_BUSY", "STEP_DEADLINE"];

/**
 * A host that refuses the fence is found as such by the survey, or by its own turn. What is read from one that did not
 * take it may change in the next moment, and counts as not read.
 */
async function fencedSurvey(
  ctx: DurableContext,
  env: TurnEnv,
  part: string,
  asked: readonly string[],
  limits: FenceLimits,
): Promise<Survey> {
  const unfenced = new Map<string, string>();
  for (const { subject, end } of await settle(ctx, fenceSteps(env, asked, limits))) {
    if (!end.ok && UNANSWERED.includes(end.error.code)) unfenced.set(subject, end.error.message);
  }
  const { hosts, servers } = await one(ctx, surveyStep(env.ports, `${env.stepName}/${part}`, asked));
  const believed = hosts.map((found): SurveyedHost => {
    const problem = unfenced.get(found.host);
    return problem === undefined || found.state === null ? found : { ...found, state: null, problem };
  });
  return { hosts: believed, servers };
}

/** How far a rollback is. */
interface Progress {
  readonly failures: Finding[];
  /** Hosts that were somewhere else. */
  readonly moved: string[];
  /** A host did not come back, so that nothing may be risked for the others. */
  failed: boolean;
  round: number;
}

async function bringBack(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  target: Target | null,
): Promise<OperationReport> {
  const goal = target === null ? "no release" : target.version;
  const hosts = found.hosts.map(({ host }) => host);
  const lost = found.hosts.filter((host) => host.state === null);
  const progress: Progress = { failures: [], moved: [], failed: false, round: 1 };
  const { failures, moved } = progress;
  const { own } = ownAndForeign(env, found);
  const isMoving = own.some((host) => !isThere(host, target));
  if (isMoving) await one(ctx, armsStep(env, "watch-nothing", { canary: [], baseline: [] }));
  await bringFoundBack(ctx, env, found, target, progress);
  if (lost.length > 0) failures.push(...(await bringLateBack(ctx, env, found, lost, target, progress)));
  if (failures.length > 0) {
    const message = `not every host is back on ${goal}: ${failures.map((one) => one.message).join("; ")}`;
    throw refusal("ROLLBACK_INCOMPLETE", message, failures);
  }
  const baseline = target === null ? [] : hosts;
  if (isMoving) await one(ctx, armsStep(env, "watch", { canary: [], baseline }));
  return report(hosts, moved, target);
}

/** Those that did not answer in time, or cannot be believed yet: now nobody waits for them. */
async function bringLateBack(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  lost: readonly SurveyedHost[],
  target: Target | null,
  progress: Progress,
): Promise<Finding[]> {
  // One that could be read may be as well as the others.
  const silent = lost.filter(({ probe }) => probe === null);
  const stays = await leaveOut(ctx, env, found, silent);
  const late = lost.map(({ host }) => host);
  const again = await fencedSurvey(ctx, env, "survey-again", late, PATIENCE);
  await bringFoundBack(ctx, env, again, target, progress);
  const gone = again.hosts.filter((host) => host.state === null);
  const left = gone.filter(({ host }) => !silent.some((one) => one.host === host));
  return [
    ...gone.map(({ host, problem }) => ({ subject: host, ok: false, message: problem })),
    ...stays.filter(({ subject }) => gone.some(({ host }) => host === subject)),
    ...(await leaveOut(ctx, env, found, left)),
  ];
}

function ownAndForeign({ ports: { authority } }: TurnEnv, { hosts }: Survey) {
  const foreign = foreignHosts(authority, hosts);
  return { foreign, own: hosts.filter(({ host }) => !foreign.some(({ subject }) => subject === host)) };
}

/** Those that could be read; what could not be brought back is named in the progress. */
async function bringFoundBack(
  ctx: DurableContext,
  env: TurnEnv,
  found: Survey,
  target: Target | null,
  progress: Progress,
): Promise<void> {
  const { failures, moved } = progress;
  // Their traffic is not ours to take either, and a load balancer that knows no fence would do it.
  const { own, foreign } = ownAndForeign(env, found);
  for (const one of foreign) {
    const remedy = one === foreign.at(-1) ? `, ${foreignRemedy(env.ports.authority)}` : "";
    failures.push({ ...one, message: `${one.message} and is left as it is${remedy}` });
  }
  const back = own.filter((host) => isThere(host, target));
  const away = own.filter((host) => !isThere(host, target) && host.state !== null).toSorted(byUrgency);
  moved.push(...away.map(({ host }) => host));

  // First, since every host that is back already and out of traffic would be missing while the others go.
  const notReturned = await returnToTraffic(ctx, env, found, back);
  failures.push(...notReturned);
  let remaining = away.map(({ host }) => host);
  progress.failed ||= notReturned.length > 0;
  for (; remaining.length > 0; progress.round++) {
    const servers = await one(ctx, balancerStep(env, `round-${progress.round}/capacity`));
    const group = nextToBringBack(remaining, servers, minServingInRollback(env.system), progress.failed);
    if (group.length === 0) {
      const why = "left as it is, since others did not come back and too few would serve without it";
      failures.push(...remaining.map((host) => ({ subject: host, ok: false, message: `${host}: ${why}` })));
      break;
    }
    const bad = await bringGroupBack(ctx, env, group, target);
    progress.failed ||= bad.length > 0;
    failures.push(...bad);
    remaining = remaining.filter((host) => !group.includes(host));
  }
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

function report(hosts: readonly string[], moved: readonly string[], target: Target | null): OperationReport {
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
