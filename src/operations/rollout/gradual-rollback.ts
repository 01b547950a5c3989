import { z } from "zod";
import { sleep } from "../../clock.ts";
import type { DurableContext } from "../../engine/context.ts";
import { defineOperation } from "../../operation.ts";
import type { Operation, OperationCall, OperationReport } from "../../operation.ts";
import { armsStep } from "./bake.ts";
import { groupsOf } from "./capacity.ts";
import { capacityStep, fenceSteps } from "./guards.ts";
import { namedHosts, unknownHosts } from "./named-hosts.ts";
import type { BakeVerdict, RolloutPorts } from "./ports.ts";
import { refuseForeignHosts } from "./preconditions.ts";
import { resolveTarget } from "./resolve-release.ts";
import type { Target } from "./resolve-release.ts";
import { refuseNewerSchema, rollBackTo } from "./rollback.ts";
import { all, one, reading, refusal } from "./steps.ts";
import { surveyStep, unreadable } from "./survey.ts";
import type { Survey, SurveyedHost } from "./survey.ts";
import { activateStep, drainStep, healthStep, installStep, probeProblem, trafficStep, unhealthy } from "./turn.ts";
import type { TurnEnv } from "./turn.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "gradual-rollback takes options only").default([]),
  /** The problematic hosts, with commas between; without it every host that does not serve the version. */
  hosts: z.string().optional(),
  /** Where to go; without it the release that the hosts had before. */
  version: z.string().optional(),
});
type Args = z.output<typeof args>;

/**
 * Takes problematic hosts back without haste: their traffic moves to the stable hosts in steps that are watched, they get
 * no new requests, are put back on the version, and return in steps.
 */
export function gradualRollback(ports: RolloutPorts): Operation {
  return defineOperation<Args>({
    name: "gradual-rollback",
    script: null,
    title: "Move traffic off problematic hosts in steps, put them back on a version, and return them",
    args,
    check: ({ hosts }, system) => unknownHosts(hosts, system),
    changes: ["hosts", "traffic"],
    restores: true,
    deadlineMs: 6 * 3_600_000,
    async observe({ args: { version, hosts }, previous, system, mode }) {
      await refuseForeignHosts(ports, namedHosts(hosts) ?? system.hosts.map((host) => host.name), mode);
      return version === undefined ? null : refuseNewerSchema(ports, version, previous);
    },
    run: (ctx, call) => run(ctx, ports, call),
    wayBack: {
      kind: "revert",
      describe: "every host goes on to the version at once, and to full traffic",
      run: (ctx, call) => {
        const wanted = call.args.version ?? call.previous?.version;
        if (wanted !== undefined) return rollBackTo(ctx, ports, { ...call, stepName: `${call.stepName}/back` }, wanted);
        throw refusal(
          "RELEASE_UNKNOWN",
          "it is not known which version all hosts are to serve: run rollback --version V",
        );
      },
    },
  });
}

async function run(ctx: DurableContext, ports: RolloutPorts, call: OperationCall<Args>): Promise<OperationReport> {
  const { system } = call;
  const env: TurnEnv = { ports, system, stepName: call.stepName };
  const known = system.hosts.map((host) => host.name);
  const found = await one(ctx, surveyStep(ports, `${env.stepName}/survey`, known));
  const problems = unreadable(found.hosts);
  if (problems.length > 0) {
    throw refusal(
      "ROLLOUT_REFUSED",
      `hosts cannot be read: ${problems.map((one) => one.message).join("; ")}`,
      problems,
    );
  }
  const unknown = unknownHosts(call.args.hosts, system);
  if (unknown !== null) throw refusal("ROLLOUT_REFUSED", unknown);
  const named = namedHosts(call.args.hosts);
  const target = await one(
    ctx,
    reading({
      name: `${env.stepName}/target`,
      deadlineMs: 60_000,
      run: () => resolveTarget(wantedVersion(call, found.hosts, named), call, found.hosts, ports.releases),
    }),
  );
  const wanted = named ?? known;
  const hosts = wanted.filter((host) => !isOn(found.hosts, host, target));
  // What an earlier rollback had put back when it stopped comes first: it adds capacity, and nothing else returns it.
  const halfWay = wanted.filter((host) => !hosts.includes(host) && !isInFullTraffic(found.servers, host));
  await all(ctx, fenceSteps(env, known));
  for (const [index, group] of groupsOf(halfWay, system.rollout.maxUnavailable).entries()) {
    const stable = known.filter((host) => !group.includes(host));
    await moveBack(ctx, env, `return-${index + 1}`, group, stable, target);
  }
  for (const [index, group] of groupsOf(hosts, system.rollout.maxUnavailable).entries()) {
    const stable = known.filter((host) => !group.includes(host));
    await moveAway(ctx, env, `group-${index + 1}`, group, stable);
    await update(ctx, env, group, target);
    await moveBack(ctx, env, `group-${index + 1}`, group, stable, target);
  }
  const parts = [
    ...(hosts.length === 0 ? [] : [`${hosts.join(", ")} went back to ${target.version} and returned to traffic`]),
    ...(halfWay.length === 0 ? [] : [`${halfWay.join(", ")} served ${target.version} already and returned to traffic`]),
  ];
  const summary =
    parts.length === 0 ? `not needed: ${wanted.join(", ")} already serve ${target.version}` : parts.join("; ");
  return { summary, data: { version: target.version, releaseId: target.id, hosts: [...hosts] } };
}

/** What the hosts had before, when that is one release. */
function wantedVersion(
  call: OperationCall<Args>,
  hosts: readonly SurveyedHost[],
  named: readonly string[] | undefined,
): string {
  if (call.args.version !== undefined) return call.args.version;
  if (call.mode === "rollback" && call.previous !== null) return call.previous.id;
  const asked = hosts.filter(({ host }) => named === undefined || named.includes(host));
  const before = new Set(
    asked.flatMap(({ state }) => (state?.previous === null || state === null ? [] : [state.previous.id])),
  );
  const [only] = before;
  if (before.size === 1 && only !== undefined) return only;
  const what =
    before.size === 0
      ? "have no release that they had before"
      : `had different releases before: ${[...before].join(", ")}`;
  throw refusal("RELEASE_UNKNOWN", `the hosts ${what}; name the version: --version V`);
}

function isOn(hosts: readonly SurveyedHost[], host: string, target: Target): boolean {
  const found = hosts.find((one) => one.host === host);
  const answers =
    found?.probe !== undefined && found.probe !== null && probeProblem(found.probe, target.version) === undefined;
  return answers && found?.state?.active?.id === target.id && found.state.pending === null;
}

function isInFullTraffic(servers: Survey["servers"], host: string): boolean {
  const server = servers.find(({ name }) => name === host);
  return server === undefined || (server.admin === "ready" && server.weightPercent === 100);
}

/** Down the weights one by one, each watched on the hosts that take the load over; then nothing new at all. */
async function moveAway(
  ctx: DurableContext,
  env: TurnEnv,
  part: string,
  group: readonly string[],
  stable: readonly string[],
): Promise<void> {
  await one(ctx, capacityStep(env, part, group));
  await one(ctx, armsStep(env, `${part}/leave`, { canary: [], baseline: stable }));
  for (const percent of env.system.rollout.shiftPercents) {
    await setWeights(ctx, env, `away-${percent}`, group, percent);
    await pauseAndLook(ctx, env, `${part}/away-${percent}`, stable);
  }
  await all(
    ctx,
    group.map((host) => ({ subject: host, call: drainStep(env, host, { force: false }) })),
  );
}

async function update(ctx: DurableContext, env: TurnEnv, group: readonly string[], target: Target): Promise<void> {
  const orders = group.map((host) => ({
    host,
    releaseId: target.id,
    version: target.version,
    turn: 1,
    confirmWithinMs: null,
  }));
  const { ref } = target;
  if (ref !== null)
    await all(
      ctx,
      group.map((host) => ({ subject: host, call: installStep(env, host, ref) })),
    );
  await all(
    ctx,
    orders.map((order) => ({ subject: order.host, call: activateStep(ctx, env, order) })),
  );
  await all(
    ctx,
    orders.map((order) => ({ subject: order.host, call: healthStep(env, order) })),
  );
}

/** Up the same weights, watched on the hosts that return; the way to full traffic ends at the first bad look. */
async function moveBack(
  ctx: DurableContext,
  env: TurnEnv,
  part: string,
  group: readonly string[],
  stable: readonly string[],
  target: Target,
): Promise<void> {
  await one(ctx, armsStep(env, `${part}/return`, { canary: group, baseline: stable }));
  for (const percent of env.system.rollout.shiftPercents.toReversed()) {
    await setWeights(ctx, env, `back-${percent}`, group, percent);
    const verdict = await pauseAndLook(ctx, env, `${part}/back-${percent}`, group, target.version);
    if (verdict.state === "degraded") {
      const findings = verdict.reasons.map((message) => ({ subject: group.join(", "), ok: false, message }));
      throw refusal(
        "BAKE_DEGRADED",
        `hosts are still bad on ${target.version}: ${verdict.reasons.join("; ")}`,
        findings,
      );
    }
  }
  await setWeights(ctx, env, "back-100", group, 100);
}

async function setWeights(
  ctx: DurableContext,
  env: TurnEnv,
  part: string,
  group: readonly string[],
  weightPercent: number,
): Promise<void> {
  const change = { admin: "ready", weightPercent } as const;
  await all(
    ctx,
    group.map((host) => ({ subject: host, call: trafficStep(env, host, part, change) })),
  );
}

const LOOK_AGAIN_MS = 300;

/** Waits durably, then looks at hosts directly: twice, since one bad answer may be chance. */
async function pauseAndLook(
  ctx: DurableContext,
  env: TurnEnv,
  part: string,
  hosts: readonly string[],
  version: string | null = null,
): Promise<BakeVerdict> {
  const { shiftPauseMs, minRequests } = env.system.rollout;
  await ctx.sleep(`${env.stepName}/${part}/sleep`, shiftPauseMs);
  return one(
    ctx,
    reading({
      name: `${env.stepName}/${part}/look`,
      deadlineMs: 60_000,
      async run(scope) {
        for (const host of hosts) {
          let problem = probeProblem(await env.ports.fleet.probe(host, scope.signal), version);
          if (problem === undefined) continue;
          await sleep(env.ports.clock, LOOK_AGAIN_MS, scope.signal);
          problem = probeProblem(await env.ports.fleet.probe(host, scope.signal), version);
          if (problem !== undefined) throw unhealthy(host, problem);
        }
        return env.ports.watch.verdict({ stage: "shift", minRequests }, scope);
      },
    }),
  );
}
