import { SunnyError } from "../errors.ts";

/** True for a version that can stand in file names and URLs: `2.1.0`, `2.1.0-rc.1+build5`; at most 100 characters. */
export function isVersion(text: string): boolean {
  return text.length <= 100 && /^[0-9A-Za-z][0-9A-Za-z.+-]*$/.test(text) && !text.includes("..");
}

/** True for a name of a release: lower-case letters, digits and dashes, at most 100 characters. */
export function isReleaseName(text: string): boolean {
  return text.length <= 100 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text);
}

/** @throws RELEASE_VERSION_INVALID */
export function requireVersion(version: string): void {
  if (isVersion(version)) return;
  throw new SunnyError("RELEASE_VERSION_INVALID", `"${version}" cannot be the version of a release`, {
    hint: "Use letters, digits, dots, dashes and plus signs, without two dots in a row: 2.1.0, 2.1.0-rc.1.",
  });
}

/** @throws RELEASE_VERSION_INVALID */
export function requireReleaseName(name: string): void {
  if (isReleaseName(name)) return;
  throw new SunnyError("RELEASE_VERSION_INVALID", `"${name}" cannot be the name of a release`, {
    hint: "Use lower-case letters, digits and dashes: payments, payments-api.",
  });
}

/**
 * Orders versions as Semantic Versioning 2.0.0 section 11 does, with any number of numeric parts: negative when `a`
 * comes first. Versions that differ in build metadata only are ordered by their text.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  const core = compareParts(left.core, right.core);
  if (core !== 0) return core;
  if ((left.pre.length === 0) !== (right.pre.length === 0)) return left.pre.length === 0 ? 1 : -1;
  return compareParts(left.pre, right.pre) || compareText(a, b);
}

function split(version: string): { core: string[]; pre: string[] } {
  const [main = ""] = version.split("+");
  const dash = main.indexOf("-");
  if (dash === -1) return { core: main.split("."), pre: [] };
  return { core: main.slice(0, dash).split("."), pre: main.slice(dash + 1).split(".") };
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const order = comparePart(a[at] ?? "", b[at] ?? "");
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function comparePart(a: string, b: string): number {
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (left && right) return Number(a) - Number(b);
  if (left !== right) return left ? -1 : 1;
  return compareText(a, b);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
