import { canonicalJson, type Json } from "../json.ts";

/** One step of the way into a plan: a member, an element by what identifies it, or one by its place. */
export type Part = { readonly key: string } | { readonly id: string } | { readonly index: number };

/** One place where two plans differ. `before` and `after` are absent where there was nothing. */
export interface Difference {
  /** Path in the plan: `phases[2].steps[0].args.env`. */
  readonly at: string;
  readonly path: readonly Part[];
  readonly before?: Json;
  readonly after?: Json;
  /** The same things, in another order: `before` and `after` are what identifies them. */
  readonly reordered?: true;
}

/** Every place where `after` differs from `before`, in the order of the keys; lists of things with an id are matched by it. */
export function differences(before: unknown, after: unknown, path: readonly Part[] = []): Difference[] {
  if (canonical(before) === canonical(after)) return [];
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return keys.flatMap((key) => differences(before[key], after[key], [...path, { key }]));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const [left, right] = [byIdentity(before), byIdentity(after)];
    if (left !== null && right !== null) return [...ofNamed(left, right, path), ...ofOrder(left, right, path)];
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => differences(before[index], after[index], [...path, { index }])).flat();
  }
  return [difference(path, before, after)];
}

function difference(path: readonly Part[], before: unknown, after: unknown): Difference {
  return {
    at: textOf(path),
    path,
    ...(before === undefined ? {} : { before: before as Json }),
    ...(after === undefined ? {} : { after: after as Json }),
  };
}

type Named = ReadonlyMap<string, unknown>;

function ofNamed(left: Named, right: Named, path: readonly Part[]): Difference[] {
  const ids = [...new Set([...left.keys(), ...right.keys()])];
  return ids.flatMap((id) => differences(left.get(id), right.get(id), [...path, { id }]));
}

/** What is in both lists, in another order. */
function ofOrder(left: Named, right: Named, path: readonly Part[]): Difference[] {
  const before = [...left.keys()].filter((id) => right.has(id));
  const after = [...right.keys()].filter((id) => left.has(id));
  if (before.every((id, index) => after[index] === id)) return [];
  return [{ ...difference(path, before, after), reordered: true }];
}

function textOf(path: readonly Part[]): string {
  return path.reduce((text, part) => {
    if ("key" in part) return text === "" ? part.key : `${text}.${part.key}`;
    return `${text}[${"id" in part ? part.id : part.index}]`;
  }, "");
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
    const id = item["id"] ?? item["title"] ?? item["name"] ?? item["role"];
    if (typeof id !== "string" || map.has(id)) return null;
    map.set(id, item);
  }
  return map;
}
