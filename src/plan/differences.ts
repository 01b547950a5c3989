import { canonicalJson, type Json } from "../json.ts";

/** One place where two plans differ. `before` and `after` are absent where there was nothing. */
export interface Difference {
  /** Path in the plan, as people read it: `phases[2].steps[0].args.env`. */
  readonly at: string;
  readonly before?: Json;
  readonly after?: Json;
}

/** Every place where `after` differs from `before`, in the order of the keys; lists of things with an id are matched by it. */
export function differences(before: unknown, after: unknown, at = ""): Difference[] {
  if (canonical(before) === canonical(after)) return [];
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return keys.flatMap((key) => differences(before[key], after[key], at === "" ? key : `${at}.${key}`));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const [left, right] = [byIdentity(before), byIdentity(after)];
    if (left !== null && right !== null) {
      const ids = [...new Set([...left.keys(), ...right.keys()])];
      return ids.flatMap((id) => differences(left.get(id), right.get(id), `${at}[${id}]`));
    }
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, i) => differences(before[i], after[i], `${at}[${i}]`)).flat();
  }
  return [
    {
      at,
      ...(before === undefined ? {} : { before: before as Json }),
      ...(after === undefined ? {} : { after: after as Json }),
    },
  ];
}

/** One line for people: what it was, what it is. */
export function describeDifference({ at, before, after }: Difference): string {
  if (before === undefined) return `${at} is new: ${short(after)}`;
  if (after === undefined) return `${at} is gone; it was ${short(before)}`;
  return `${at} was ${short(before)}, is ${short(after)}`;
}

function short(value: Json | undefined): string {
  const text = typeof value === "string" ? value : canonical(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function canonical(value: unknown): string {
  return value === undefined ? "" : canonicalJson(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function byIdentity(list: readonly unknown[]): Map<string, unknown> | null {
  const map = new Map<string, unknown>();
  for (const item of list) {
    if (!isRecord(item)) return null;
    const id = item["id"] ?? item["title"] ?? item["name"];
    if (typeof id !== "string" || map.has(id)) return null;
    map.set(id, item);
  }
  return map;
}
