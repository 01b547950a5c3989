import { planSteps, type Plan } from "../plan/model.ts";
import type { ClosingItem } from "./ports.ts";

/** Which operations show an item of the closing checklist, by words in its text. */
const SHOWN_BY: readonly [RegExp, readonly string[]][] = [
  [/\bendpoints?\b|\bhealth\b/i, ["http-check"]],
  [/\bintegrity\b/i, ["verify-migrations"]],
  [/\berror rates?\b|\bmonitor\b/i, ["monitor-deployment"]],
  [/\bnotes?\b/i, ["deployment record"]],
];

/** The closing checklist after a success: what steps of this deployment have shown, and what is left to people. */
export function closingItems(plan: Plan, done: readonly string[]): ClosingItem[] {
  const ran = new Set(planSteps(plan).flatMap((step) => (done.includes(step.id) ? [step.operation] : [])));
  // The journal and the audit log are the record of the deployment.
  ran.add("deployment record");
  return plan.closing.map((item) => {
    const match = SHOWN_BY.find(([words, by]) => words.test(item.text) && by.some((operation) => ran.has(operation)));
    return match === undefined
      ? { id: item.id, text: item.text, state: "open", by: "a person" }
      : { id: item.id, text: item.text, state: "shown", by: match[1].join(", ") };
  });
}
