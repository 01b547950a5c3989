import { sha256 } from "../json.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";

/** How a directory with one release becomes one with another. */
export interface ReleaseDelta {
  /** Files that have to be brought, as the new release has them; every symbolic link is among them. */
  readonly send: readonly ReleaseFile[];
  /** Bytes of content in `send`. */
  readonly bytes: number;
  /** Files that the old release has in another place. */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
  /** Everything of the new release that comes from `send` and `moved`. */
  readonly changed: readonly ReleaseFile[];
  /** What goes before anything comes: removed and changed files, and every symbolic link. */
  readonly remove: readonly string[];
  /** Directories that only the old release has, the deepest first. */
  readonly removeDirectories: readonly string[];
}

/** A file that moved costs the host more steps than one that is sent; so many are worth it. */
const MAX_MOVED = 200;

/** What `to` has and `from` lacks, by content: a file is the same when its bytes and its mode are. */
export function releaseDelta(from: ReleaseManifest, to: ReleaseManifest): ReleaseDelta {
  const old = new Map(from.files.filter(isFile).map((file) => [file.path, identity(file)]));
  const places = new Map([...old].map(([path, id]) => [id, path]));
  const now = new Map(to.files.map((file) => [file.path, identity(file)]));
  const missing = to.files.filter((file) => isFile(file) && old.get(file.path) !== identity(file));
  const movable = missing.filter((file) => file.size > 0 && places.has(identity(file))).slice(0, MAX_MOVED);
  const moved = movable.map((file) => ({ from: places.get(identity(file)) ?? "", to: file.path }));
  const found = new Set(movable);
  const send = to.files.filter((file) => !isFile(file) || (missing.includes(file) && !found.has(file)));
  const remove = from.files.filter((file) => !isFile(file) || now.get(file.path) !== identity(file));
  const kept = directoriesOf(to);
  return {
    send,
    bytes: send.reduce((sum, file) => sum + file.size, 0),
    moved,
    changed: [...send, ...movable],
    remove: remove.map((file) => file.path),
    removeDirectories: [...directoriesOf(from)].filter((one) => !kept.has(one)).toSorted((a, b) => depth(b) - depth(a)),
  };
}

/**
 * Digest over a directory as a host can compute it with `find` and `sha256sum`: a line `<digest>  ./<path>` for every
 * file, `./<path>` for every executable one, `./<path> -> <target>` for every link, sorted by their bytes, each ended by a
 * newline. It covers content, kind and the executable bit of everything that is there, and what is there too much.
 */
export function treeDigest(manifest: ReleaseManifest): string {
  const lines = manifest.files.flatMap((file) => {
    if (!isFile(file)) return [`./${file.path} -> ${file.link ?? ""}`];
    const content = `${file.sha256}  ./${file.path}`;
    return file.mode === 0o755 ? [content, `./${file.path}`] : [content];
  });
  const sorted = lines.map((line) => Buffer.from(`${line}\n`)).toSorted((a, b) => Buffer.compare(a, b));
  return sha256(Buffer.concat(sorted));
}

function isFile(file: ReleaseFile): boolean {
  return file.link === undefined;
}

function identity(file: ReleaseFile): string {
  return `${file.mode} ${file.sha256} ${file.link ?? ""}`;
}

function directoriesOf(manifest: ReleaseManifest): Set<string> {
  const found = new Set<string>();
  for (const { path } of manifest.files) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) found.add(path.slice(0, at));
  }
  return found;
}

function depth(path: string): number {
  return path.split("/").length;
}
