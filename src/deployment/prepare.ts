import type { Rule } from "../analysis/rule.ts";
import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { Operation, ReleaseRef } from "../operation.ts";
import type { Binding } from "../operations/monitor/binding.ts";
import { compile, type Compiled, type CompileInput, type Subject } from "../plan/compile.ts";
import { planSteps, type Plan, type PlanStep, type PlanWithin } from "../plan/model.ts";
import type { ResolvedScript } from "../plan/steps.ts";
import { hasErrors, type Diagnostic } from "../runbook/diagnostic.ts";
import type { Runbook } from "../runbook/model.ts";
import type { GateBinding, System } from "../system/schema.ts";

/** What making a plan needs from the world. */
export interface PreparePorts {
  readonly operations: ReadonlyMap<string, Operation>;
  /** @throws RELEASE_NOT_FOUND and the refusals of a release that cannot be trusted */
  findRelease(version: string): Promise<ReleaseRef>;
  /** The same for a release to go back to: what hosts have of it is enough. @throws as `findRelease` */
  findTarget(version: string): Promise<ReleaseRef>;
  /** The release that hosts run now; null before the first deployment. `strict`: they must agree. @throws HOSTS_DISAGREE */
  activeRelease(strict: boolean): Promise<ReleaseRef | null>;
  /** Calls the operation's `observe` for a step of the draft. */
  observe(draft: Plan, step: PlanStep): Promise<Json>;
  resolveScripts(runbook: Runbook): Promise<ReadonlyMap<string, ResolvedScript>>;
  /**
   * Rules for the runbook's thresholds, where their figures come from, and whether each one's query answers now. Not
   * `running`: before the first release, when nothing can answer.
   */
  watched(
    runbook: Runbook,
    frozen: Watched | undefined,
    running: boolean,
  ): Promise<Watched & { readonly diagnostics: readonly Diagnostic[] }>;
  defaultGate(text: string): GateBinding | null;
  readonly sunny: string;
  readonly workflow: Plan["workflow"];
}

/** What is watched; learned from the running service when a plan is made, and frozen with it. */
export interface Watched {
  readonly rules: readonly Rule[];
  readonly metrics: Binding | null;
}

export interface PrepareRequest {
  readonly runbook: Runbook;
  /** Found by the parser; errors among them refuse the plan. */
  readonly diagnostics: readonly Diagnostic[];
  readonly system: System;
  readonly subject: Subject;
  /** Version to deploy; undefined when nothing is deployed. */
  readonly release?: string;
  /** Where a rollback goes when it is not the release before; a version. */
  readonly target?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly author: string;
  readonly reason: string;
  readonly acceptNoWayBack?: boolean;
  /** The running step of another plan that asks for this one. */
  readonly within?: PlanWithin;
  /** Of a frozen plan that is compared with the world: what was learned when it was made stays. */
  readonly frozen?: Watched;
}

/**
 * Makes a plan: compiles a draft, lets its operations observe the world, and compiles again with these facts. Writes
 * nothing. The plan is null when there are errors among the diagnostics.
 */
export async function preparePlan(request: PrepareRequest, ports: PreparePorts): Promise<Compiled> {
  const { runbook, system } = request;
  if (hasErrors(request.diagnostics)) return { plan: null, diagnostics: request.diagnostics };
  const strict = request.subject.kind === "deploy";
  const { target } = request;
  const [release, previous, watched, scripts] = await all(
    request.release === undefined ? null : ports.findRelease(request.release),
    target === undefined ? ports.activeRelease(strict) : ports.findTarget(target),
    isWatched(request.subject) ? ports.watched(runbook, request.frozen, true) : Promise.resolve(UNWATCHED),
    ports.resolveScripts(runbook),
  );
  const first = request.subject.kind === "deploy" && previous === null;
  const { rules, metrics, diagnostics } = first ? await ports.watched(runbook, undefined, false) : watched;
  const input: CompileInput = {
    subject: request.subject,
    runbook,
    system,
    operations: ports.operations,
    scripts,
    release,
    previous,
    parameters: request.parameters ?? {},
    author: request.author,
    reason: request.reason,
    noWayBackAccepted: request.acceptNoWayBack ?? false,
    ...(request.within === undefined ? {} : { within: request.within }),
    sunny: ports.sunny,
    workflow: ports.workflow,
    rules,
    metrics,
    defaultGate: (text) => ports.defaultGate(text),
    facts: {},
  };
  const before = [...request.diagnostics, ...diagnostics];
  const draft = compile(input);
  if (draft.plan === null || hasErrors(before)) return { plan: null, diagnostics: [...before, ...draft.diagnostics] };
  const compiled = compile({ ...input, facts: await observeAll(draft.plan, ports) });
  return { plan: compiled.plan, diagnostics: [...before, ...compiled.diagnostics] };
}

const UNWATCHED = { rules: [], metrics: null, diagnostics: [] } as const;

/**
 * Only a release that comes to hosts is watched. What looks, repairs or takes back must also work, and be planned, while
 * the monitoring is down.
 */
function isWatched(subject: Subject): boolean {
  if (subject.kind === "deploy") return true;
  return subject.kind === "run" && subject.operation.changes.includes("hosts") && subject.operation.restores !== true;
}

async function observeAll(draft: Plan, ports: PreparePorts): Promise<Record<string, Json>> {
  const steps = planSteps(draft).filter((step) => ports.operations.get(step.operation)?.observe !== undefined);
  const facts = await all(...steps.map((step) => ports.observe(draft, step)));
  return Object.fromEntries(steps.map((step, i) => [step.id, facts[i] ?? null]));
}

/** Reads go side by side; the first that failed, in their order, is reported once none is under way any more. */
async function all<T extends readonly unknown[]>(...work: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(work);
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value) as {
    -readonly [K in keyof T]: Awaited<T[K]>;
  };
}

/** @throws RUNBOOK_INVALID naming the first errors, when no plan came out of it */
export function requirePlan(compiled: Compiled): Plan {
  if (compiled.plan !== null) return compiled.plan;
  const errors = compiled.diagnostics.filter((one) => one.severity === "error");
  const first = errors[0];
  throw new SunnyError(
    "RUNBOOK_INVALID",
    `The runbook cannot be planned: ${first?.message ?? "it has errors"}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ""}`,
    {
      ...(first === undefined ? {} : { place: { file: first.file, line: first.line, column: first.column } }),
      hint: `${first?.remedy ?? ""}\nAll of them are shown above; \`sunny lint\` checks the text alone.`.trim(),
    },
  );
}
