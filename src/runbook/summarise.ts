import { allSteps } from "./model.ts";
import type { Runbook } from "./model.ts";

/** A few lines that say what was recognised, for people; what is absent is said as well. Ends without a line break. */
export function summarise(runbook: Runbook): string {
  const gates = runbook.checklist.reduce((sum, group) => sum + group.gates.length, 0);
  const { immediate, gradual, other } = runbook.rollback;
  const ways = [
    ...(immediate === undefined ? [] : [`immediate (${count(immediate.steps.length, "step")})`]),
    ...(gradual === undefined ? [] : [`gradual (${extent(gradual.steps.length, gradual.instructions.length)})`]),
    ...(other.length === 0 ? [] : [`${other.length} more`]),
  ];
  const phases = runbook.phases.map((phase) => `${phase.title} (${phase.steps.length})`);
  const rows: readonly (readonly [string, string])[] = [
    ["runbook", `${runbook.title}${runbook.version === undefined ? "" : `, version ${runbook.version}`}`],
    ["prerequisites", String(runbook.prerequisites.length)],
    ["checklist", `${count(gates, "gate")} in ${count(runbook.checklist.length, "group")}`],
    ["phases", phases.length === 0 ? "none" : phases.join(", ")],
    ["commands", commandKinds(runbook)],
    ["rollback", ways.length === 0 ? "none" : ways.join(", ")],
    ["watched", `${count(runbook.metrics.length, "metric")}, ${count(runbook.thresholds.length, "threshold")}`],
    ["operator", titles(runbook.issues)],
    ["emergencies", titles(runbook.emergencies)],
    ["people", `${count(runbook.contacts.length, "contact")}, ${count(runbook.escalation.length, "escalation level")}`],
    ["afterwards", count(runbook.postDeployment.length, "group")],
    ["compliance", count(runbook.compliance.length, "item")],
    ["windows", runbook.windows.length === 0 ? "none" : runbook.windows.map((one) => one.name).join(", ")],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n");
}

function titles(procedures: readonly { readonly title: string }[]): string {
  return procedures.length === 0 ? "none" : procedures.map((one) => one.title).join(", ");
}

function extent(steps: number, instructions: number): string {
  return instructions === 0 ? count(steps, "step") : count(instructions, "instruction");
}

function commandKinds(runbook: Runbook): string {
  const steps = allSteps(runbook);
  const scripts = steps.flatMap((step) => (step.command.kind === "script" ? [step.command.path] : []));
  const of = (kind: string): number => steps.filter((step) => step.command.kind === kind).length;
  return [
    count(new Set(scripts).size, "script"),
    `${of("terraform")} terraform`,
    `${of("http")} http`,
    `${of("subprocess")} other`,
  ].join(", ");
}

function count(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? "" : "s"}`;
}
