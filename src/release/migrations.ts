import type { ReleaseFile, ReleaseMigration } from "./manifest.ts";
import { sourceInvalid } from "./source.ts";

/**
 * The migrations in a folder of a release, in the order of their ids: `<id>.up.<ext>`, and `<id>.down.<ext>` when it
 * can be taken back. Anything else in the folder is refused, since a file with a slip in its name would not be run.
 * @throws RELEASE_SOURCE_INVALID
 */
export function findMigrations(files: readonly ReleaseFile[], folder: string): ReleaseMigration[] {
  const ups = new Map<string, ReleaseFile>();
  const downs = new Map<string, ReleaseFile>();
  for (const file of files) {
    if (!file.path.startsWith(`${folder}/`)) continue;
    const match = /^([0-9A-Za-z][0-9A-Za-z_.-]*?)\.(up|down)\.[0-9a-z]+$/.exec(file.path.slice(folder.length + 1));
    const [, id, direction] = match ?? [];
    if (id === undefined || file.link !== undefined) {
      throw sourceInvalid(`${file.path} is not named <id>.up.<ext> or <id>.down.<ext>`);
    }
    const kind = direction === "up" ? ups : downs;
    const other = kind.get(id);
    if (other !== undefined) throw sourceInvalid(`${other.path} and ${file.path} are the same migration`);
    kind.set(id, file);
  }
  for (const [id, file] of downs) {
    if (!ups.has(id)) throw sourceInvalid(`${file.path} takes back a migration that the release does not have`);
  }
  const ids = [...ups.keys()].toSorted((a, b) => (a < b ? -1 : 1));
  return ids.map((id) => ({ id, up: reference(ups.get(id) as ReleaseFile), down: referenceOrNull(downs.get(id)) }));
}

function reference(file: ReleaseFile): { path: string; sha256: string } {
  return { path: file.path, sha256: file.sha256 };
}

function referenceOrNull(file: ReleaseFile | undefined): ReleaseMigration["down"] {
  return file === undefined ? null : reference(file);
}
