import path from "node:path";
import { refuse } from "./refusal.ts";

/** A symbolic link of a release: where it is and what it says. */
export interface LinkEntry {
  readonly path: string;
  readonly link: string;
}

/**
 * Refuses a path that could leave the release's root or that hosts could read in two ways.
 * @throws RELEASE_PATH_ABSOLUTE, RELEASE_PATH_ESCAPES, RELEASE_PATH_INVALID
 */
export function requireSafePath(file: string): void {
  const shown = JSON.stringify(file);
  if (file.startsWith("/") || /^[A-Za-z]:/.test(file)) {
    throw refuse("RELEASE_PATH_ABSOLUTE", `The release holds the absolute path ${shown}`, { path: file });
  }
  const parts = file.split("/");
  if (parts.includes("..")) {
    throw refuse("RELEASE_PATH_ESCAPES", `The release holds ${shown}, which leaves its root`, { path: file });
  }
  const odd = parts.some((part) => part === "" || part === "." || Buffer.byteLength(part) > 255);
  // oxlint-disable-next-line no-control-regex -- exactly these must not reach a terminal or a host's file system
  if (odd || file.length > 1024 || /[\u0000-\u001f\u007f\\\ufffd]/.test(file) || !file.isWellFormed()) {
    throw refuse("RELEASE_PATH_INVALID", `The release holds a path that cannot be deployed: ${shown}`, { path: file });
  }
}

/**
 * Refuses paths that are the same to some file system (case, Unicode form), and files that are directories too.
 * @throws RELEASE_PATH_DUPLICATE
 */
export function requireDistinctPaths(files: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const file of files) {
    const other = seen.get(folded(file));
    if (other !== undefined) throw duplicate(other, file);
    seen.set(folded(file), file);
  }
  const folders = new Map<string, string>();
  for (const file of files) {
    for (let above = path.posix.dirname(file); above !== "."; above = path.posix.dirname(above)) {
      const other = seen.get(folded(above)) ?? folders.get(folded(above));
      if (other !== undefined && other !== above) throw duplicate(other, file);
      if (seen.has(folded(above))) throw duplicate(above, file);
      folders.set(folded(above), above);
    }
  }
}

/**
 * Refuses links that lead out of the root, to something that is not in the release, or through another link: what
 * lies behind a chain of links is not what their text says.
 * @throws RELEASE_LINK_ESCAPES
 */
export function requireSafeLinks(links: readonly LinkEntry[], files: readonly string[]): void {
  const linked = new Set(links.map((entry) => entry.path));
  const known = new Set(files);
  for (const file of files) {
    for (let above = path.posix.dirname(file); above !== "."; above = path.posix.dirname(above)) known.add(above);
  }
  for (const { path: from, link } of links) {
    const target = walkLink(from, link, linked);
    if (target === undefined || !known.has(target) || linked.has(target)) {
      const where = `${JSON.stringify(from)} → ${JSON.stringify(link)}`;
      throw refuse(
        "RELEASE_LINK_ESCAPES",
        `The release holds a link that does not lead to one of its files: ${where}`,
        {
          path: from,
          link,
        },
      );
    }
  }
}

/** Where a link leads, below the root; `undefined` when it leaves the root or goes through another link. */
function walkLink(from: string, link: string, linked: ReadonlySet<string>): string | undefined {
  if (link === "" || link.startsWith("/")) return undefined;
  const at = from.split("/").slice(0, -1);
  for (const part of link.split("/")) {
    if (linked.has(at.join("/"))) return undefined;
    if (part === "..") {
      if (at.pop() === undefined) return undefined;
    } else if (part !== "." && part !== "") {
      at.push(part);
    }
  }
  return at.join("/");
}

function folded(file: string): string {
  return file.normalize("NFC").toLowerCase();
}

function duplicate(first: string, second: string): Error {
  const message = `The release holds ${JSON.stringify(first)} and ${JSON.stringify(second)}, which are the same place`;
  return refuse("RELEASE_PATH_DUPLICATE", message, { first, second });
}
