import { hash } from "node:crypto";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * The canonical form of RFC 8785: members sorted by UTF-16 code units, numbers as ECMAScript prints them, no white
 * space. Members that are `undefined` are left out. Throws a `TypeError` on what JSON cannot hold (functions, NaN,
 * infinities, lone surrogates), since a digest over such a value would not mean anything.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`not JSON: ${value}`);
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("not JSON: a string with a lone surrogate");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`not JSON: a ${typeof value}`);
  if ("toJSON" in value && typeof value.toJSON === "function") return canonicalJson(value.toJSON());
  const object = value as Readonly<Record<string, unknown>>;
  // Without a function to compare them, strings are sorted by their code units.
  // oxlint-disable-next-line typescript/require-array-sort-compare
  const keys = Object.keys(object).toSorted();
  let members = "";
  for (const key of keys) {
    const member = object[key];
    if (member === undefined) continue;
    members += `${members === "" ? "" : ","}${canonicalJson(key)}:${canonicalJson(member)}`;
  }
  return `{${members}}`;
}

/** SHA-256 in lower-case hex. */
export function sha256(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

/** SHA-256 of the canonical JSON of `value`, as `sha256:<hex>`. */
export function digestOf(value: unknown): string {
  return `sha256:${sha256(canonicalJson(value))}`;
}
