import type { Json } from "../json.ts";
import { describeDifference } from "./difference-words.ts";
import { differences } from "./differences.ts";
import type { Plan, PlanGate, PlanStep } from "./model.ts";

/** The plan for people: what will happen, in order, what takes it back, and what watches. Plain text, no colours. */
export function renderPlan(plan: Plan): string {
  const lines = [headline(plan), `digest ${plan.digest}`, origin(plan), ""];
  if (plan.gates.length > 0) lines.push(...gates(plan.gates), "");
  if (plan.windows.length > 0) lines.push(`Windows: ${plan.windows.map((window) => window.text).join("; ")}`);
  for (const { role, count } of plan.approvals) lines.push(`Approval: ${count} by ${role}, not by ${plan.author}`);
  if (plan.windows.length > 0 || plan.approvals.length > 0) lines.push("");
  for (const phase of plan.phases) lines.push(phase.title, ...steps(phase.steps), "");
  lines.push(...rollback(plan));
  if (plan.rules.length > 0)
    lines.push("", "Watched all the time, on each arm", ...plan.rules.map((rule) => `  ${rule.title}`));
  if (plan.closing.length > 0) lines.push("", "Afterwards", ...plan.closing.map((item) => `  ${item.text}`));
  return lines.join("\n");
}

function headline(plan: Plan): string {
  const from = plan.previous?.version ?? "nothing";
  switch (plan.kind) {
    case "deploy":
      return `Deploy ${plan.service} ${from} -> ${plan.release?.version ?? from} to ${plan.environment}`;
    case "rollback":
      return `Roll back ${plan.service} to ${from} in ${plan.environment}`;
    case "run":
    case "procedure":
      return `Run in ${plan.environment}: ${plan.phases.map((phase) => phase.title).join(", ")}`;
  }
}

function origin(plan: Plan): string {
  const runbook = plan.runbook === null ? "no runbook" : `${plan.runbook.file}${version(plan.runbook.version)}`;
  return `by ${plan.author}, from ${runbook}${plan.reason === "" ? "" : `; reason: ${plan.reason}`}`;
}

function version(text: string | null): string {
  return text === null ? "" : ` (version ${text})`;
}

function gates(list: readonly PlanGate[]): string[] {
  const attested = list.filter((gate) => gate.binding.kind === "attest").length;
  return [
    `Gates: ${list.length - attested} checked, ${attested} attested by a person`,
    ...list.map((gate) => `  ${gateLine(gate)}`),
  ];
}

function gateLine({ text, binding }: PlanGate): string {
  return `${text}  [${opener(binding)}]`;
}

/** What opens a gate. */
function opener(binding: PlanGate["binding"]): string {
  switch (binding.kind) {
    case "operation":
      return `checked by ${binding.name}`;
    case "command":
      return `checked by ${binding.argv.join(" ")}`;
    case "attest":
      return `attested by ${binding.roles.includes("*") ? "a named person" : binding.roles.join(" or ")}`;
  }
}

function steps(list: readonly PlanStep[]): string[] {
  const width = Math.max(0, ...list.map((step) => step.title.length));
  return list.map((step) => `  ${step.title.padEnd(width)}  ${what(step)}`);
}

function what(step: PlanStep): string {
  const effect = step.changes.length === 0 ? "reads only" : `changes ${step.changes.join(", ")}`;
  const back = step.wayBack?.kind === "none" ? "; no way back" : "";
  const when = step.when === "if-needed" ? ", if needed" : "";
  return `${source(step)} (${effect}${back}${when}${subprocessTerms(step)})`;
}

/** What runs: one of Sunny's operations with its arguments, or a command of somebody else's in its own words. */
function source(step: PlanStep): string {
  if (step.source.kind === "foreign") return `${commandText(step.text)}, your own script`;
  if (step.operation === "subprocess") return commandText(step.text);
  const given = Object.entries(step.args as Record<string, Json>).flatMap(([name, value]) => {
    if (name === "_" && Array.isArray(value)) return value.map(String);
    return typeof value === "string" && step.source.kind === "launcher" ? [`--${name} ${value}`] : [];
  });
  return [step.operation, ...given].join(" ");
}

/** The first line of a command, as the runbook has it. */
function commandText(text: string): string {
  const [first = "", ...more] = text.split("\n");
  return `\`${first}\`${more.length === 0 ? "" : ` and ${more.length} more line${more.length === 1 ? "" : "s"}`}`;
}

/** What runbook or configuration say of a foreign command, where that differs from the usual. */
function subprocessTerms({ operation, args }: PlanStep): string {
  if (operation !== "subprocess") return "";
  const { timeoutMs, disposition, maxAttempts } = args as Record<string, Json>;
  const terms = [
    ...(typeof timeoutMs === "number" ? [`ended after ${timeoutMs / 1000} s`] : []),
    ...(disposition === "idempotent" ? ["may be repeated"] : []),
    ...(typeof maxAttempts === "number" && maxAttempts > 1 ? [`up to ${maxAttempts} attempts`] : []),
  ];
  return terms.map((term) => `; ${term}`).join("");
}

function rollback(plan: Plan): string[] {
  if (plan.rollback === null) {
    return plan.kind === "deploy" ? ["There is no way back: this is the first deployment, and that was accepted."] : [];
  }
  const added = new Set(plan.rollback.added);
  const marked = plan.rollback.steps.map((step) =>
    added.has(step.id) ? { ...step, title: `${step.title} (added by Sunny)` } : step,
  );
  return [`If it fails, back to ${plan.rollback.target.version}`, ...steps(marked)];
}

/**
 * What differs from the plan of the last deployment, for people; empty when nothing but the release does. Facts and
 * digests are left out, since they differ every time and what they stand for is shown; so are keys of the configuration
 * that gates and approvals were made from.
 */
export function renderChanges(last: Plan, plan: Plan): string[] {
  const view = (one: Plan): unknown => ({
    runbook: one.runbook?.digest,
    gates: one.gates.map(({ id, text, binding }) => {
      return { id, text, binding: opener(binding), terms: termsOf(binding) };
    }),
    windows: one.windows.map(({ line: _line, column: _column, ...window }) => window),
    approvals: one.approvals,
    phases: one.phases.map((phase) => ({ title: phase.title, steps: phase.steps.map(comparable) })),
    rollback: one.rollback?.steps.map(comparable) ?? [],
    rules: one.rules.map(({ id, title }) => ({ id, title })),
    system: { ...one.system, gates: null, approvals: null },
    sunny: one.sunny,
  });
  return differences(view(last), view(plan)).map(describeDifference);
}

/** What else is set for a gate: the arguments of its check, how long an answer counts. */
function termsOf(binding: PlanGate["binding"]): unknown {
  if (binding.kind === "operation") return Object.keys(binding.args).length === 0 ? {} : { args: binding.args };
  return binding.kind === "attest" ? { validMs: binding.validMs } : {};
}

function comparable(step: PlanStep): unknown {
  const { id, title, operation, changes, deadlineMs, source } = step;
  return { id, title, operation, changes, deadlineMs, source };
}
