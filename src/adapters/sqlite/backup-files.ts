import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import { canonicalJson, sha256 } from "../../json.ts";
import type { BackupManifest } from "../../operations/database/ports.ts";
import { syncDirectory } from "./backup-archive.ts";

const SUFFIX = ".manifest.json";
const WORK = ".work-";

/** Leftovers younger than this may belong to a backup that is being made. */
const LEFTOVER_MS = 86_400_000;

const manifestSchema = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[0-9A-Za-z-]+$/),
  database: z.string(),
  at: z.iso.datetime(),
  file: z.string().regex(/^[0-9A-Za-z.-]+$/),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  recipients: z.array(z.string()),
  schemaVersion: z.string().nullable(),
  tables: z.record(z.string(), z.strictObject({ rows: z.int().min(0), digest: z.string() })),
  proof: z.enum(["restored", "archive"]).nullable(),
  /** SHA-256 of all of the above: what is compared with a restored copy must be what was written. */
  seal: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Puts a manifest in place, whole or not at all. */
export async function writeManifest(directory: string, manifest: BackupManifest): Promise<void> {
  const file = path.join(directory, manifest.id + SUFFIX);
  const text = JSON.stringify({ ...manifest, seal: sealOf(manifest) }, null, 2);
  await writeFile(`${file}.tmp`, `${text}\n`, { mode: 0o600, flush: true });
  await rename(`${file}.tmp`, file);
  await syncDirectory(directory);
}

/** All manifests, newest first. @throws TerminalError BACKUP_DAMAGED naming a manifest that is none */
export async function readManifests(directory: string): Promise<BackupManifest[]> {
  const names = await namesIn(directory);
  const manifests = names
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => readManifest(path.join(directory, name)));
  return (await Promise.all(manifests)).toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1));
}

async function readManifest(file: string): Promise<BackupManifest> {
  let read: z.output<typeof manifestSchema>;
  try {
    read = manifestSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s*\n\s*/g, " ") : messageOf(error);
    throw new TerminalError("BACKUP_DAMAGED", `The manifest ${file} is damaged: ${why}`);
  }
  const { seal, ...manifest } = read;
  if (seal === sealOf(manifest)) return manifest;
  const remedy = "set it aside with its archive, and make a new backup";
  throw new TerminalError(
    "BACKUP_DAMAGED",
    `The manifest ${file} is not as it was written: its figures were altered; ${remedy}`,
  );
}

function sealOf(manifest: BackupManifest): string {
  return sha256(canonicalJson(manifest));
}

/** A directory of its own for one attempt, where data may be in clear; 0700. */
export async function workDirectory(directory: string, name: string): Promise<string> {
  const work = path.join(directory, `${WORK}${name}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { mode: 0o700 });
  return work;
}

/** Removes the oldest backups beyond `keep`, never one of `keepIds`, and old leftovers. Returns the ids removed. */
export async function pruneFiles(
  directory: string,
  keep: number,
  keepIds: ReadonlySet<string>,
  now: number,
): Promise<string[]> {
  const manifests = await readManifests(directory);
  const old = manifests.slice(keep).filter(({ id }) => !keepIds.has(id));
  for (const { id, file } of old) {
    // The manifest first: without it the archive does not count any more, whatever happens next.
    await rm(path.join(directory, id + SUFFIX), { force: true });
    await rm(path.join(directory, file), { force: true });
  }
  const known = new Set(manifests.flatMap(({ id, file }) => [id + SUFFIX, file]));
  for (const name of await namesIn(directory)) {
    const leftover = name.startsWith(WORK) || name.endsWith(".tmp") || /\.sqlite\.gz(\.pgp)?$/.test(name);
    if (!leftover || known.has(name)) continue;
    const file = path.join(directory, name);
    if (now - (await stat(file)).mtimeMs > LEFTOVER_MS) await rm(file, { recursive: true, force: true });
  }
  return old.map(({ id }) => id);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
