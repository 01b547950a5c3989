import { z } from "zod";
import type { ResourceChange } from "../../operations/infrastructure/ports.ts";

const LONGEST_VALUE = 80;

const change = z.object({
  actions: z.array(z.string()),
  before: z.unknown().optional(),
  /** Left out where all of it is known only after the apply, such as an output of a resource that is yet to be made. */
  after: z.unknown().optional(),
  after_unknown: z.unknown().optional(),
  before_sensitive: z.unknown().optional(),
  after_sensitive: z.unknown().optional(),
});

const planSchema = z.object({
  resource_changes: z
    .array(z.object({ address: z.string(), action_reason: z.string().optional(), change }))
    .default([]),
  output_changes: z.record(z.string(), change).default({}),
});

type Change = z.output<typeof change>;

/**
 * Reads `terraform show -json PLAN`. Values are in clear in it: only the `*_sensitive` members say which may not be shown,
 * so nothing of a value leaves this function unless they say nothing about it.
 *
 * @throws ZodError when it is no plan
 */
export function readPlanJson(text: string): { resources: ResourceChange[]; outputs: string[] } {
  const plan = planSchema.parse(JSON.parse(text));
  const resources = plan.resource_changes.flatMap(({ address, change: one }): ResourceChange[] => {
    const action = actionOf(one.actions);
    return action === null ? [] : [{ address, action, attributes: action === "delete" ? [] : attributesOf(one) }];
  });
  const outputs = Object.entries(plan.output_changes).filter(([, one]) => actionOf(one.actions) !== null);
  return { resources, outputs: outputs.map(([name]) => name) };
}

/** A replacement is the two actions together, in either order. */
function actionOf(actions: readonly string[]): ResourceChange["action"] | null {
  if (actions.includes("delete") && actions.includes("create")) return "replace";
  const [action] = actions;
  switch (action) {
    case "create":
    case "update":
    case "delete":
    case "read":
    case "forget":
      return action;
    default:
      return null;
  }
}

function attributesOf(one: Change): string[] {
  const [before, after] = [membersOf(one.before), membersOf(one.after)];
  const unknown = membersOf(one.after_unknown);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after), ...Object.keys(unknown)])].toSorted();
  return names.flatMap((name) => {
    const later = holdsTrue(unknown[name]);
    if (!later && JSON.stringify(before[name]) === JSON.stringify(after[name])) return [];
    const hidden = isSensitive(one.before_sensitive, name) || isSensitive(one.after_sensitive, name);
    if (hidden) return [`${name}: (sensitive)`];
    return [`${name}: ${shown(before[name])} → ${later ? "(known after apply)" : shown(after[name])}`];
  });
}

/** The mark is `true` for the whole, or mirrors the value with `true` at what is sensitive. */
function isSensitive(mark: unknown, name: string): boolean {
  return mark === true || holdsTrue(membersOf(mark)[name]);
}

function holdsTrue(mark: unknown): boolean {
  if (mark === true) return true;
  return typeof mark === "object" && mark !== null && Object.values(mark).some(holdsTrue);
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function shown(value: unknown): string {
  const text = value === undefined || value === null ? "(none)" : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 3)}...` : text;
}
