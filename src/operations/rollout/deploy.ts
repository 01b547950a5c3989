import { z } from "zod";
import type { DurableContext } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Finding, Operation, OperationCall, OperationReport, ReleaseRef } from "../../operation.ts";
import { armsStep, bake } from "./bake.ts";
import { canariesOf, capacityProblem, groupsOf, minServing, trafficPart } from "./capacity.ts";
import { capacityStep, fenceSteps } from "./guards.ts";
import { deploymentProblems, requireOwnHosts, requireOrders, unknownServers } from "./preconditions.ts";
import type { Arms, RolloutPorts } from "./ports.ts";
import { rollBackTo, takeDown } from "./rollback.ts";
import { all, one, ordering, reading, refusal } from "./steps.ts";
import { survey, surveyStep } from "./survey.ts";
import type { Survey } from "./survey.ts";
import { activateStep, confirmStep, drainStep, healthStep, installStep, trafficStep, turnName } from "./turn.ts";
import type { TurnEnv, TurnOrder } from "./turn.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "deploy-production takes options only").default([]),
  /** The version that is expected to be deployed; without a release in the plan, the one to deploy. */
  version: z.string().optional(),
  /** The same by id: `<version>-<12 hex digits>`. */
  release: z.string().optional(),
});
type Args = z.output<typeof args>;

/** How often a host may take its activation back before the rollout gives up on it. */
const MAX_TURNS = 2;

/** Rolls a release out: canary, bake, batches, bake. Takes nothing back itself; `wayBack` does. */
export function deployProduction(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "deploy-production",
    script: "js",
    title: "Roll the release out over all hosts, canary first",
    args,
    check: (given, _, { release }) => contradiction(given, release),
    changes: ["hosts", "traffic"],
    deadlineMs: 6 * 3_600_000,
    async observe(call) {
      const { system } = call;
      const found = await survey(ports, hostNames(call));
      // Known before anything is touched, so it is said before anything is touched.
      requireOwnHosts(ports.authority, found.hosts);
      const unknown = unknownServers(hostNames(call), found.servers);
      if (unknown !== undefined) throw refusal("SERVER_UNKNOWN", unknown);
      const group = hostNames(call).slice(0, system.rollout.maxUnavailable);
      const problem = capacityProblem(found.servers, group, minServing(system));
      if (problem !== undefined)
        throw refusal("CAPACITY_TOO_LOW", `the rollout would take out too many hosts: ${problem}`);
      await requireOrders(ports.loadBalancer, system);
      return { active: Object.fromEntries(found.hosts.map(({ host, state }) => [host, state?.active?.id ?? null])) };
    },
    run: (ctx, call) => deploy(ctx, ports, call),
    wayBack: {
      kind: "revert",
      describe: "every host returns to the release it had, and to full traffic",
      run: (ctx, call) =>
        call.previous === null
          ? takeDown(ctx, ports, backCall(call))
          : rollBackTo(ctx, ports, backCall(call), call.previous.id),
    },
  });
}

const hostNames = (call: Pick<OperationCall<Args>, "system">): string[] => call.system.hosts.map((host) => host.name);

/** Steps of the way back are named apart from those of the way there. */
const backCall = (call: OperationCall<Args>): OperationCall<Args> => ({ ...call, stepName: `${call.stepName}/back` });

async function deploy(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const { system } = call;
  const { rollout } = system;
  const env: TurnEnv = { ports, system, stepName: call.stepName };
  const hosts = hostNames(call);
  const release = await releaseOf(ctx, env, call);
  const found = await one(ctx, surveyStep(ports, `${env.stepName}/survey`, hosts));
  const problems = deploymentProblems(system, found, call.again === true ? { runId: ctx.runId } : null);
  if (problems.length > 0) {
    throw refusal(
      "ROLLOUT_REFUSED",
      `the rollout cannot start: ${problems.map((one) => one.message).join("; ")}`,
      problems,
    );
  }
  await all(ctx, fenceSteps(env, hosts));
  // Unpacked everywhere first, while everything still runs as before: less time with two releases in traffic.
  await all(
    ctx,
    hosts.map((host) => ({ subject: host, call: installStep(env, host, release) })),
  );
  const { canaries, weight } = canariesOf(system, hosts);
  const left = call.again === true ? leftOut(found, hosts.slice(canaries.length)) : [];
  const rest = hosts.slice(canaries.length).filter((host) => !left.includes(host));
  const state: RolloutState = { ctx, env, release, hosts, updated: [] };

  // Batch hosts that a hold caught in the middle of their turn are missing from the capacity until they end it.
  for (const [index, group] of groupsOf(left, rollout.maxUnavailable).entries()) {
    await takeTurn(state, `left-${index + 1}`, group, { weight: 100 });
  }
  const exposures: TurnOrder[] = [];
  for (const [index, group] of groupsOf(canaries, rollout.maxUnavailable).entries()) {
    const orders = await takeTurn(state, `canary-${index + 1}`, group, { weight, exposureMs: rollout.unwatchedMs });
    exposures.push(...orders);
  }
  const common = { env, version: release.version };
  const canary = rest.length > 0 ? ({ stage: "canary", updated: canaries, exposures } as const) : undefined;
  const passed =
    canary && (await bake(ctx, { ...common, ...canary, name: "bake-canary", bakeMs: rollout.canaryBakeMs }));
  await promote(state, exposures, weight);
  for (const [index, group] of groupsOf(rest, rollout.maxUnavailable).entries()) {
    await takeTurn(state, `batch-${index + 1}`, group, { weight: 100 });
  }
  const last = await bake(ctx, {
    ...common,
    name: "bake-final",
    stage: "final",
    bakeMs: rollout.finalBakeMs,
    updated: hosts,
    exposures: [],
  });
  await prune(state, call);
  return report(release, hosts, passed, last);
}

/** Hosts of the batches that are out of traffic. */
function leftOut(found: Survey, batches: readonly string[]): string[] {
  const out = found.servers.filter((server) => server.admin !== "ready").map((server) => server.name);
  return batches.filter((host) => out.includes(host));
}

interface RolloutState {
  readonly ctx: DurableContext;
  readonly env: TurnEnv;
  readonly release: ReleaseRef;
  readonly hosts: readonly string[];
  /** Hosts that serve the new release; grows. */
  readonly updated: string[];
}

/** A step that names another release than the one that is deployed; null when it does not, or nothing is deployed. */
function contradiction({ release, version }: Args, planned: ReleaseRef | null): string | null {
  const wanted = release ?? version;
  if (planned === null || wanted === undefined || wanted === planned.id || wanted === planned.version) return null;
  return `the plan deploys ${planned.id}, but the step asks for ${wanted}`;
}

/** The release of the plan, or, by hand, the one that the arguments name. */
async function releaseOf(ctx: DurableContext, env: TurnEnv, call: OperationCall<Args>): Promise<ReleaseRef> {
  const wanted = call.args.release ?? call.args.version;
  const planned = call.release;
  if (planned !== null) {
    const wrong = contradiction(call.args, planned);
    if (wrong !== null) throw refusal("ROLLOUT_REFUSED", wrong);
    return planned;
  }
  if (wanted === undefined) throw refusal("RELEASE_UNKNOWN", "name the release to deploy: --version V or --release ID");
  const step = reading<ReleaseRef>({
    name: `${env.stepName}/release`,
    deadlineMs: 60_000,
    async run() {
      const [first, ...others] = await env.ports.releases.find(wanted);
      if (first === undefined) throw refusal("RELEASE_UNKNOWN", `the store has no release ${wanted}`);
      const ids = [first, ...others].map((one) => one.id);
      if (others.length > 0)
        throw refusal("RELEASE_UNKNOWN", `${wanted} could be ${ids.join(" or ")}: use --release ID`);
      return { name: first.name, version: first.version, digest: first.digest, id: first.id };
    },
  });
  return one(ctx, step);
}

/** A group of hosts goes through its turn together, part by part. */
async function takeTurn(
  state: RolloutState,
  part: string,
  group: readonly string[],
  how: { readonly weight: number; readonly exposureMs?: number },
): Promise<TurnOrder[]> {
  const { ctx, env, release, hosts, updated } = state;
  const { system } = env;
  const baseline = hosts.filter((host) => !updated.includes(host) && !group.includes(host));
  await one(ctx, armsStep(env, `${part}/leave`, armsOf(updated, baseline, how.weight)));
  await one(ctx, capacityStep(env, part, group));
  await all(
    ctx,
    group.map((host) => ({ subject: host, call: drainStep(env, host, { force: false }) })),
  );
  let open: TurnOrder[] = group.map((host) => ({
    host,
    releaseId: release.id,
    version: release.version,
    turn: 1,
    confirmWithinMs: system.rollout.confirmWithinMs,
  }));
  const done: TurnOrder[] = [];
  while (open.length > 0) {
    const orders = open;
    await all(
      ctx,
      orders.map((order) => ({ subject: order.host, call: activateStep(ctx, env, order) })),
    );
    await all(
      ctx,
      orders.map((order) => ({
        subject: order.host,
        call: healthStep(env, { ...order, pendingTurn: turnName(ctx, env, order) }),
      })),
    );
    const exposure = how.exposureMs === undefined ? {} : { exposureMs: how.exposureMs };
    const ends = await all(
      ctx,
      orders.map((order) => ({
        subject: order.host,
        call: confirmStep(ctx, env, order, { part: `confirm/turn-${order.turn}`, ...exposure }),
      })),
    );
    done.push(...orders.filter((_, index) => ends[index]?.state === "confirmed"));
    open = orders.flatMap((order, index) => {
      const end = ends[index];
      return end?.state === "reverted" ? [nextTurn(order, end.reason)] : [];
    });
  }
  const change = { admin: "ready", weightPercent: how.weight } as const;
  await all(
    ctx,
    group.map((host) => ({ subject: host, call: trafficStep(env, host, "ready", change) })),
  );
  updated.push(...group);
  await one(ctx, armsStep(env, `${part}/join`, armsOf(updated, baseline, how.weight)));
  return done;
}

/** Who is compared with whom; with the part of the traffic that was ordered, so that the real one can be told from it. */
function armsOf(updated: readonly string[], baseline: readonly string[], weightPercent: number): Arms {
  const weight = trafficPart(updated.length, weightPercent, baseline.length);
  return { canary: [...updated], baseline: [...baseline], ...(weight === undefined ? {} : { weight }) };
}

function nextTurn(order: TurnOrder, reason: string): TurnOrder {
  if (order.turn < MAX_TURNS) return { ...order, turn: order.turn + 1 };
  const message = `${order.host}: it took the activation back ${MAX_TURNS} times: ${reason}`;
  throw refusal("ACTIVATION_REVERTED", message, [{ subject: order.host, ok: false, message: reason }]);
}

/** The canaries become what they are for good, with their full share. */
async function promote(state: RolloutState, exposures: readonly TurnOrder[], weight: number): Promise<void> {
  const { ctx, env } = state;
  await all(
    ctx,
    exposures.map((order) => ({ subject: order.host, call: confirmStep(ctx, env, order, { part: "promote" }) })),
  );
  if (weight === 100) return;
  const change = { admin: "ready", weightPercent: 100 } as const;
  await all(
    ctx,
    exposures.map(({ host }) => ({ subject: host, call: trafficStep(env, host, "full-weight", change) })),
  );
}

/** Makes room; a host where that fails has too many old releases, which is not worth a rollback. */
async function prune(state: RolloutState, call: OperationCall<Args>): Promise<void> {
  const { ctx, env, release, hosts } = state;
  const protectedIds = [release.id, ...(call.previous === null ? [] : [call.previous.id])];
  const calls = hosts.map((host) =>
    ordering<string[]>({
      name: `${env.stepName}/${host}/prune`,
      deadlineMs: 120_000,
      run: async (scope) => {
        const keep = env.system.rollout.keepReleases;
        return [...(await env.ports.fleet.prune(host, { keep, protectedIds }, scope)).removed];
      },
    }),
  );
  await ctx.parallel(calls);
}

function report(
  release: ReleaseRef,
  hosts: readonly string[],
  canary: { readonly by: string; readonly reasons: readonly string[] } | undefined,
  final: { readonly by: string; readonly reasons: readonly string[] },
): OperationReport {
  const findings: Finding[] = hosts.map((host) => ({ subject: host, ok: true, message: `serves ${release.version}` }));
  if (canary !== undefined) {
    findings.push({
      subject: "canary bake",
      ok: true,
      message: [`passed by ${canary.by}`, ...canary.reasons].join("; "),
    });
  }
  findings.push({ subject: "final bake", ok: true, message: [`passed by ${final.by}`, ...final.reasons].join("; ") });
  return {
    summary: `${hosts.length} hosts serve ${release.version}`,
    findings,
    data: { version: release.version, releaseId: release.id, hosts: [...hosts] },
  };
}
