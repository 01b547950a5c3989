import { formatSeconds } from "../../analysis/wording.ts";
import { sleep } from "../../clock.ts";
import { Interrupted } from "../../engine/context.ts";
import type { DurableContext, InterruptReason, StepScope } from "../../engine/context.ts";
import type { Arms, BakeDecision, BakeVerdict, Stage } from "./ports.ts";
import { all, one, ordering, reading, refusal } from "./steps.ts";
import { lastWords } from "./survey.ts";
import { confirmStep, probeProblem, unhealthy } from "./turn.ts";
import type { TurnEnv, TurnOrder } from "./turn.ts";

export interface Bake {
  readonly env: TurnEnv;
  /** "bake-canary": names of steps hold it. */
  readonly name: string;
  readonly stage: Stage;
  readonly bakeMs: number;
  /** Hosts with the new release, looked at while time passes. */
  readonly updated: readonly string[];
  readonly version: string;
  /** Activations that are kept only as long as they are renewed; empty in the final bake. */
  readonly exposures: readonly TurnOrder[];
}

export interface BakeEnd {
  /** How it passed: by the verdict, after one extension, or by a person. */
  readonly by: string;
  readonly reasons: readonly string[];
}

/** A host is looked at at least this often, whatever the metrics say: a service that died must be found. */
const LOOK_MS = 60_000;
const LOOK_AGAIN_MS = 300;
const LOOKS = 3;
/** A hold may interrupt a bake, and the question after it, again; beyond this it is left to the step that bakes. */
const MAX_HOLDS = 5;

/**
 * Lets time pass under watch, then asks for the verdict. Degraded fails; undecided is extended once, undecided again or
 * blind asks a person; no answer in time, or "rollback", fails. A breach that the watcher finds meanwhile interrupts the
 * sleep and is not handled here; a hold, for which the release is not to blame, asks a person, and nothing is unwound.
 */
export async function bake(ctx: DurableContext, spec: Bake): Promise<BakeEnd> {
  let verdict: BakeVerdict;
  try {
    const end = await rounds(ctx, spec);
    if ("by" in end) return end;
    verdict = end;
  } catch (error) {
    verdict = heldVerdict(error);
  }
  for (let turn = 1; ; turn++) {
    try {
      return await askPerson(ctx, spec, verdict, turn);
    } catch (error) {
      if (turn > MAX_HOLDS) throw error;
      verdict = heldVerdict(error);
    }
  }
}

/** How the bake passed, or the verdict that a person has to decide about. */
async function rounds(ctx: DurableContext, spec: Bake): Promise<BakeEnd | BakeVerdict> {
  const first = await watchFor(ctx, spec, 1);
  if (first.state === "healthy") return { by: "verdict", reasons: first.reasons };
  failIfDegraded(spec, first);
  if (first.state === "blind") return first;
  const second = await watchFor(ctx, spec, 2);
  if (second.state === "healthy") return { by: "verdict after one extension", reasons: second.reasons };
  failIfDegraded(spec, second);
  return second;
}

/** A hold as a verdict: both arms are in trouble, so that nothing can be said about the release. Throws anything else. */
function heldVerdict(error: unknown): BakeVerdict {
  if (!(error instanceof Interrupted) || error.reason.kind !== "hold") throw error;
  return { state: "undecided", reasons: holdReasons(error.reason) };
}

function holdReasons({ by, detail }: InterruptReason): string[] {
  const given = typeof detail === "object" && detail !== null && "reasons" in detail ? detail["reasons"] : null;
  const reasons = Array.isArray(given) ? given.filter((reason) => typeof reason === "string") : [];
  if (reasons.length > 0) return reasons;
  return [typeof detail === "string" && detail !== "" ? detail : `held by ${by}`];
}

/** One round: durable sleeps, between which the exposure is renewed and the hosts are looked at. */
async function watchFor(ctx: DurableContext, spec: Bake, round: number): Promise<BakeVerdict> {
  const { env, name } = spec;
  const { unwatchedMs, minRequests } = env.system.rollout;
  const slice = Math.max(1, Math.min(LOOK_MS, Math.floor(unwatchedMs / 3), Math.ceil(spec.bakeMs / 4)));
  const slices = Math.ceil(spec.bakeMs / slice);
  for (let i = 1; i <= slices; i++) {
    const part = `${name}/round-${round}/look-${i}`;
    await ctx.sleep(`${env.stepName}/${part}/sleep`, Math.min(slice, spec.bakeMs - (i - 1) * slice));
    await renew(ctx, spec, part, unwatchedMs);
    await one(ctx, lookStep(spec, part));
  }
  return one(
    ctx,
    reading({
      name: `${env.stepName}/${name}/round-${round}/verdict`,
      deadlineMs: 60_000,
      run: (scope) => env.ports.watch.verdict({ stage: spec.stage, minRequests }, scope),
    }),
  );
}

/** A canary that went back by itself is not a canary any more: the rollout fails instead of exposing it again. */
async function renew(ctx: DurableContext, spec: Bake, part: string, exposureMs: number): Promise<void> {
  const ends = await all(
    ctx,
    spec.exposures.map((order) => ({
      subject: order.host,
      call: confirmStep(ctx, spec.env, order, { part: `${part}/renew`, exposureMs }),
    })),
  );
  for (const [index, end] of ends.entries()) {
    const host = spec.exposures[index]?.host ?? "";
    if (end.state === "confirmed") continue;
    const message = `${host}: the canary went back by itself: ${end.reason}`;
    throw refusal("CANARY_REVERTED", message, [{ subject: host, ok: false, message: end.reason }]);
  }
}

function lookStep(spec: Bake, part: string) {
  const { env, version } = spec;
  return reading({
    name: `${env.stepName}/${part}/hosts`,
    deadlineMs: 60_000,
    async run(scope) {
      await Promise.all(spec.updated.map((host) => stillHealthy(env, host, version, scope)));
      return null;
    },
  });
}

/** One bad answer may be chance; three in a row are not. */
async function stillHealthy(env: TurnEnv, host: string, version: string, scope: StepScope): Promise<void> {
  let problem: string | undefined;
  for (let look = 0; look < LOOKS; look++) {
    if (look > 0) await sleep(env.ports.clock, LOOK_AGAIN_MS, scope.signal);
    problem = probeProblem(await env.ports.fleet.probe(host, scope.signal), version);
    if (problem === undefined) return;
  }
  const why = (await isStopped(env, host, scope)) ? `the service does not run any more (${problem})` : problem;
  throw unhealthy(host, `${why}${await lastWords(env.ports, host, scope)}`);
}

/** A host that cannot be read tells nothing: the answer that was bad stands for itself. */
async function isStopped(env: TurnEnv, host: string, scope: StepScope): Promise<boolean> {
  return env.ports.fleet.read(host, scope.signal).then(
    ({ service }) => service === "stopped",
    () => false,
  );
}

function failIfDegraded(spec: Bake, verdict: BakeVerdict): void {
  if (verdict.state !== "degraded") return;
  const subject = spec.stage === "canary" ? "canary" : "release";
  const findings = verdict.reasons.map((message) => ({ subject, ok: false, message }));
  throw refusal(
    "BAKE_DEGRADED",
    `the ${subject} is worse than its limits allow: ${verdict.reasons.join("; ")}`,
    findings,
  );
}

/** Holds until a person decides. The exposure is kept for that long, and ends on the host if Sunny does not come back. */
async function askPerson(ctx: DurableContext, spec: Bake, verdict: BakeVerdict, turn: number): Promise<BakeEnd> {
  const { env, name } = spec;
  const { decisionMs, unwatchedMs } = env.system.rollout;
  const part = turn === 1 ? "decision" : `decision-${turn}`;
  await renew(ctx, spec, `${name}/${part}`, decisionMs + unwatchedMs);
  const signal = `${env.stepName}/${name}/${part}`;
  const waited = await ctx.waitFor<BakeDecision>(signal, {
    timeoutMs: decisionMs,
    held: {
      what: `The bake is ${verdict.state}: promote the release, or roll it back?`,
      signal,
      choices: ["promote", "rollback"],
      reasons: [...verdict.reasons],
      withoutAnswer: `rollback after ${formatSeconds(decisionMs / 1000)}`,
    },
  });
  const findings = verdict.reasons.map((message) => ({ subject: spec.stage, ok: false, message }));
  const why = verdict.reasons.length === 0 ? "" : ` (${verdict.reasons.join("; ")})`;
  if (!waited.ok) {
    const within = formatSeconds(decisionMs / 1000);
    const message = `the bake was ${verdict.state}${why} and nobody decided within ${within}`;
    throw refusal("BAKE_NOT_PROMOTED", message, findings);
  }
  const { decision, by } = waited.value;
  if (decision !== "promote") {
    throw refusal("BAKE_NOT_PROMOTED", `the bake was ${verdict.state}${why} and ${by} decided to roll back`, findings);
  }
  await renew(ctx, spec, `${name}/${part === "decision" ? "promoted" : `promoted-${turn}`}`, unwatchedMs);
  return { by, reasons: verdict.reasons };
}

/** Tells the watcher which hosts to compare from now on. */
export function armsStep(env: TurnEnv, part: string, arms: Arms) {
  return ordering({
    name: `${env.stepName}/${part}`,
    deadlineMs: 30_000,
    async run(scope) {
      await env.ports.watch.setArms(arms, scope);
      return null;
    },
  });
}
