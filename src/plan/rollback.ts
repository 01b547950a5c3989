import { changesOf, type Operation, type ReleaseRef, type Subject } from "../operation.ts";
import { diagnostic } from "../runbook/diagnostic.ts";
import type { Procedure, Runbook } from "../runbook/model.ts";
import { ROLLBACK_FORMAT, type PlanRollback, type PlanStep } from "./model.ts";
import { compileStep, plannedWayBack, type StepContext } from "./steps.ts";

/**
 * The rollback part: the runbook's immediate rollback in its order, completed by the ways back of what the phases
 * apply and it does not mention. Those stand before its last verification, in reverse order of the phases.
 */
export function compileRollback(
  runbook: Runbook,
  phases: readonly PlanStep[],
  target: ReleaseRef,
  context: StepContext,
): PlanRollback {
  const written = writtenSteps(runbook.rollback.immediate, context);
  reportOtherTargets(written, target, context, "PL214");
  const covered = new Set(written.flatMap((step) => step.changes));
  const uncovered = phases
    .toReversed()
    .filter((step) => step.wayBack?.kind === "revert" && !step.changes.every((subject) => covered.has(subject)));
  const added = uncovered.map((step) => takeBackStep(step));
  for (const step of uncovered) {
    const message = `"${step.title}" is taken back as well; the rollback section does not mention it`;
    context.diagnostics.push(diagnostic("PL208", context.file, { line: step.line, column: 1 }, { message }));
  }
  warnWithoutWayBack(phases, covered, context);
  const at = verificationAt(written);
  const steps = [...written.slice(0, at), ...added, ...written.slice(at)];
  return { format: ROLLBACK_FORMAT, target, steps, added: added.map((step) => step.id) };
}

/**
 * Steps that name another version than the one that the rollback goes to: one that was written down once is outdated with
 * the next deployment. `PL214` is said beside a deployment; a rollback that a person asked for would not be that one.
 */
export function reportOtherTargets(
  written: readonly PlanStep[],
  target: ReleaseRef,
  context: StepContext,
  code: "PL206" | "PL214",
): void {
  for (const step of written) {
    const version = (step.args as { readonly version?: unknown }).version;
    const known = typeof version !== "string" || version === target.version || version === target.id;
    if (known || step.source.kind !== "launcher") continue;
    const message = `\`${step.text}\` names ${version}, and the way back is to ${target.version}`;
    context.diagnostics.push(diagnostic(code, context.file, { line: step.line, column: 1 }, { message }));
  }
}

/** Compiles the steps of a rollback procedure; those that cannot be planned have left a diagnostic. */
export function writtenSteps(procedure: Procedure | undefined, context: StepContext): PlanStep[] {
  if (procedure === undefined) return [];
  return procedure.steps.flatMap((step) => compileStep(step, procedure.title, context) ?? []);
}

/** The way back of an operation that is run by hand; null when it has none. */
export function ownRollback(steps: readonly PlanStep[], target: ReleaseRef | null): PlanRollback | null {
  const added = steps
    .toReversed()
    .filter((step) => step.wayBack?.kind === "revert")
    .map((step) => takeBackStep(step));
  if (added.length === 0 || target === null) return null;
  return { format: ROLLBACK_FORMAT, target, steps: added, added: added.map((step) => step.id) };
}

/** The step that takes `step` back, of which `wayBack` must be a `revert`. */
export function takeBackStep(step: PlanStep): PlanStep {
  const describe = step.wayBack?.kind === "revert" ? step.wayBack.describe : "";
  return {
    ...step,
    id: `take-back/${step.id}`,
    title: `Take back: ${step.title}`,
    phase: "Rollback",
    text: describe,
    when: "if-needed",
    direction: "revert",
  };
}

/** Where added steps go: before the verification that ends the section, or at its end when it has none. */
export function verificationAt(steps: readonly PlanStep[]): number {
  const last = steps.at(-1);
  return last !== undefined && last.changes.length === 0 ? steps.length - 1 : steps.length;
}

function warnWithoutWayBack(phases: readonly PlanStep[], covered: ReadonlySet<Subject>, context: StepContext): void {
  for (const step of phases) {
    if (step.wayBack?.kind !== "none" || step.changes.every((subject) => covered.has(subject))) continue;
    const message = `"${step.title}" cannot be taken back: ${step.wayBack.why}`;
    context.diagnostics.push(diagnostic("PL209", context.file, { line: step.line, column: 1 }, { message }));
  }
}

/** A step that Sunny makes itself, for an operation called by name. */
export function operationStep(operation: Operation, args: PlanStep["args"], facts: PlanStep["facts"]): PlanStep {
  const changes = changesOf(operation, args);
  return {
    id: operation.name,
    title: operation.title,
    phase: "By hand",
    line: 0,
    text: operation.name,
    operation: operation.name,
    args,
    when: "always",
    direction: "run",
    changes,
    wayBack: plannedWayBack(operation, changes),
    deadlineMs: operation.deadlineMs,
    source: { kind: "operation" },
    facts,
  };
}
