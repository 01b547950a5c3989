import type { Rule } from "../analysis/rule.ts";
import type { Json } from "../json.ts";
import { changesOf, type Operation, type ReleaseRef } from "../operation.ts";
import { planIncident } from "../operations/incident/plan-incident.ts";
import type { Binding } from "../operations/monitor/binding.ts";
import { diagnostic, hasErrors, type Diagnostic } from "../runbook/diagnostic.ts";
import { allSteps, type Emergency, type Procedure, type Runbook } from "../runbook/model.ts";
import { closest } from "../system/closest.ts";
import type { GateBinding, System } from "../system/schema.ts";
import { argumentProblems } from "./argument-problems.ts";
import { optionsOf } from "./arguments.ts";
import { freeze } from "./digest.ts";
import { PLAN_FORMAT, type Plan, type PlanGate, type PlanRollback, type PlanStep, type PlanWithin } from "./model.ts";
import { compileRollback, reportOtherTargets, operationStep, ownRollback, writtenSteps } from "./rollback.ts";
import { compileStep, type ResolvedScript, type StepContext } from "./steps.ts";

/** What is to be planned. */
export type Subject =
  | { readonly kind: "deploy" }
  | { readonly kind: "rollback"; readonly gradual: Json | null }
  | { readonly kind: "run"; readonly operation: Operation; readonly args: Json }
  | { readonly kind: "procedure"; readonly procedure: Procedure }
  | { readonly kind: "emergency"; readonly emergency: Emergency };

export interface CompileInput {
  readonly subject: Subject;
  readonly runbook: Runbook;
  readonly system: System;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly scripts: ReadonlyMap<string, ResolvedScript>;
  readonly release: ReleaseRef | null;
  readonly previous: ReleaseRef | null;
  readonly parameters: Readonly<Record<string, string>>;
  readonly author: string;
  readonly reason: string;
  readonly noWayBackAccepted: boolean;
  /** Set when a running step of another plan asks for this one. */
  readonly within?: PlanWithin;
  readonly sunny: string;
  readonly workflow: Plan["workflow"];
  readonly rules: readonly Rule[];
  readonly metrics: Binding | null;
  /** What is bound to a gate when the configuration binds nothing; null for "a person attests it". */
  readonly defaultGate: (text: string) => GateBinding | null;
  /** By step id; empty on the first pass, whose steps tell what is to be observed. */
  readonly facts: Readonly<Record<string, Json>>;
}

export interface Compiled {
  /** Null when there are errors among the diagnostics. */
  readonly plan: Plan | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a plan. Pure: the same input gives the same plan and the same digest. */
export function compile(input: CompileInput): Compiled {
  const diagnostics: Diagnostic[] = [];
  const context: StepContext = { ...input, file: input.runbook.file, diagnostics };
  const phases = compilePhases(input, context);
  const steps = phases.flatMap((phase) => phase.steps);
  const guarded = isGuarded(input, steps);
  const rollback = rollbackPart(input, steps, context);
  requireWayBack(input, steps, rollback, diagnostics);
  const gates = guarded && needsChecklist(input, steps) ? compileGates(input, diagnostics) : [];
  if (input.subject.kind === "deploy") warnOfUnused(input, diagnostics);
  if (hasErrors(diagnostics)) return { plan: null, diagnostics };
  const { runbook, system } = input;
  const watched = steps.some((step) => step.changes.length > 0);
  const deploys = input.subject.kind === "deploy";
  const plan = freeze({
    format: PLAN_FORMAT,
    kind: input.subject.kind === "emergency" ? "procedure" : input.subject.kind,
    sunny: input.sunny,
    workflow: input.workflow,
    service: system.service,
    environment: system.environment,
    runbook: { file: runbook.file, digest: runbook.digest, version: runbook.version ?? null },
    release: input.release,
    previous: input.previous,
    author: input.author,
    reason: input.reason,
    gates,
    windows: guarded ? runbook.windows : [],
    approvals: guarded ? system.approvals : [],
    phases,
    rules: watched ? input.rules : [],
    metrics: watched ? input.metrics : null,
    rollback,
    noWayBackAccepted: input.noWayBackAccepted,
    ...(input.within === undefined ? {} : { within: input.within }),
    closing: deploys ? closingList(runbook) : [],
    contacts: runbook.contacts,
    escalation: runbook.escalation,
    compliance: runbook.compliance.map((item) => item.text),
    system,
  });
  return { plan, diagnostics };
}

function compilePhases(input: CompileInput, context: StepContext): Plan["phases"] {
  const { subject, runbook } = input;
  const procedure = (one: Procedure): Plan["phases"][number] => ({
    title: one.title,
    steps: one.steps.flatMap((step) => compileStep(step, one.title, context) ?? []),
  });
  switch (subject.kind) {
    case "deploy":
      return runbook.phases.map(procedure);
    case "procedure":
      return [procedure(subject.procedure)];
    case "run": {
      const wrong = subject.operation.check?.(subject.args, input.system, input) ?? null;
      if (wrong !== null) {
        const message = `Wrong arguments of ${subject.operation.name}: ${wrong}`;
        context.diagnostics.push(diagnostic("PL206", input.runbook.file, { line: 1, column: 1 }, { message }));
      }
      const step = operationStep(subject.operation, subject.args, input.facts[subject.operation.name] ?? null);
      return [{ title: step.phase, steps: [step] }];
    }
    case "emergency":
      return [incidentPhase(input, subject.emergency)];
    case "rollback":
      return [rollbackPhase(input, subject.gradual, context)];
  }
}

/** An emergency procedure is prose: each instruction is a step in which a person is asked. */
function incidentPhase({ operations, runbook }: CompileInput, emergency: Emergency): Plan["phases"][number] {
  const operation = operations.get("follow-instruction");
  if (operation === undefined) throw new Error("the catalogue lacks the operation follow-instruction");
  const steps = planIncident(emergency, runbook.contacts).map(({ id, text, line, args }) => ({
    ...operationStep(operation, args as unknown as Json, null),
    id,
    title: text,
    phase: emergency.title,
    line,
    text,
  }));
  return { title: emergency.title, steps };
}

/** A gradual rollback of hosts replaces what the immediate one does to them at once; the rest of the section follows. */
function rollbackPhase(input: CompileInput, gradual: Json | null, context: StepContext): Plan["phases"][number] {
  const { immediate } = input.runbook.rollback;
  const title = (gradual === null ? immediate?.title : input.runbook.rollback.gradual?.title) ?? "Rollback";
  const written = writtenSteps(immediate, context);
  if (input.previous !== null) reportOtherTargets(written, input.previous, context, "PL206");
  if (gradual === null) return { title, steps: written };
  const operation = input.operations.get("gradual-rollback");
  if (operation === undefined) throw new Error("the catalogue lacks the operation gradual-rollback");
  const step = { ...operationStep(operation, gradual, input.facts["gradual-rollback"] ?? null), phase: title };
  // Where only some hosts go back, the others need the schema as it is, and serve another version than these.
  if (namesHosts(gradual, input.system)) return { title, steps: [step] };
  const rest = written.filter((one) => !one.changes.some((changed) => operation.changes.includes(changed)));
  return { title, steps: [step, ...rest] };
}

function namesHosts(gradual: Json, { hosts }: System): boolean {
  const option = typeof gradual === "object" && gradual !== null && "hosts" in gradual ? gradual["hosts"] : undefined;
  if (typeof option !== "string") return false;
  const named = option.split(",").map((host) => host.trim());
  return hosts.some((host) => !named.includes(host.name));
}

/**
 * Gates, windows and approvals belong to changes that are not themselves a way back to a good state. What a step of
 * another plan asks for was allowed with that plan.
 */
function isGuarded(input: CompileInput, steps: readonly PlanStep[]): boolean {
  if (input.subject.kind === "rollback" || input.within !== undefined) return false;
  return steps.some((step) => step.changes.length > 0 && input.operations.get(step.operation)?.restores !== true);
}

function needsChecklist(input: CompileInput, steps: readonly PlanStep[]): boolean {
  return input.subject.kind === "deploy" || steps.some((step) => step.changes.includes("hosts"));
}

function rollbackPart(input: CompileInput, steps: readonly PlanStep[], context: StepContext): PlanRollback | null {
  switch (input.subject.kind) {
    case "deploy":
      return input.previous === null ? null : compileRollback(input.runbook, steps, input.previous, context);
    case "run":
    case "procedure":
    case "emergency":
      return ownRollback(steps, input.previous);
    case "rollback":
      return null;
  }
}

function requireWayBack(
  input: CompileInput,
  steps: readonly PlanStep[],
  rollback: PlanRollback | null,
  diagnostics: Diagnostic[],
): void {
  if (input.subject.kind !== "deploy" || rollback !== null || input.noWayBackAccepted) return;
  if (!steps.some((step) => step.changes.length > 0)) return;
  const message = "No release is active yet: a failed deployment has nothing to go back to";
  diagnostics.push(diagnostic("PL207", input.runbook.file, { line: 1, column: 1 }, { message }));
}

function compileGates(input: CompileInput, diagnostics: Diagnostic[]): PlanGate[] {
  return input.runbook.checklist.flatMap((group) =>
    group.gates.map((gate) => {
      const { gates } = input.system;
      const bound = gates[gate.id] ?? gates[gate.text] ?? input.defaultGate(gate.text);
      if (bound === null || bound.kind === "attest") {
        const message = `"${gate.text}" has no check: a person attests it`;
        diagnostics.push(diagnostic("PL204", input.runbook.file, gate, { message }));
      }
      const wrong = bound?.kind === "operation" ? wrongCheck(bound, input) : null;
      if (wrong !== null) {
        const message = `"${gate.text}" cannot be checked by ${wrong}`;
        diagnostics.push(diagnostic("PL212", input.runbook.file, gate, { message }));
      }
      const binding: GateBinding = bound ?? { kind: "attest", roles: ["*"], validMs: 86_400_000 };
      return { id: gate.id, group: group.title, text: gate.text, line: gate.line, binding };
    }),
  );
}

/** Why an operation cannot be the check of a gate; null when it can. */
function wrongCheck(
  { name, args }: Extract<GateBinding, { kind: "operation" }>,
  { operations }: CompileInput,
): string | null {
  const operation = operations.get(name);
  if (operation === undefined) {
    const near = closest(name, operations.keys());
    return `${name}: there is no such operation${near === undefined ? "" : `; did you mean "${near}"?`}`;
  }
  const raw = { _: [], ...args };
  const parsed = operation.args.safeParse(raw);
  const changes = parsed.success ? changesOf(operation, parsed.data) : operation.changes;
  if (changes.length > 0) return `${name}: it changes ${changes.join(", ")}, and a check only looks`;
  return parsed.success ? null : `${name}: ${argumentProblems(parsed.error, raw, optionsOf(operation))}`;
}

/** A misspelt key would otherwise take back, unnoticed, what the configuration demands of a gate or a command. */
function warnOfUnused({ runbook, system }: CompileInput, diagnostics: Diagnostic[]): void {
  const gates = runbook.checklist.flatMap((group) => group.gates.flatMap((gate) => [gate.id, gate.text]));
  const commands = allSteps(runbook).flatMap((step) => [step.id, step.text]);
  const sections = [
    ["gates", Object.keys(system.gates), gates],
    ["commands", Object.keys(system.commands), commands],
  ] as const;
  for (const [section, keys, known] of sections) {
    for (const key of keys.filter((one) => !known.includes(one))) {
      const near = closest(key, known);
      const message = `Nothing in the runbook fits ${section}["${key}"]${near === undefined ? "" : `; did you mean "${near}"?`}`;
      diagnostics.push(diagnostic("PL211", runbook.file, { line: 1, column: 1 }, { message }));
    }
  }
}

function closingList(runbook: Runbook): Plan["closing"] {
  return runbook.postDeployment.flatMap((group, g) =>
    group.items.map((item, i) => ({
      id: `closing/${g + 1}.${i + 1}`,
      group: group.title,
      text: item.text,
      line: item.line,
    })),
  );
}
