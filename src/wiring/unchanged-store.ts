import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { readReleaseFiles } from "../release/extract.ts";
import type { ReleaseStore } from "../release/store.ts";
import type { VerifiedRelease } from "../release/verify.ts";

/** Releases by version or id, and the files of a folder in one, verified once for as long as nothing changes. */
export interface VerifiedReleases {
  /** @throws as `ReleaseStore.find` */
  find(versionOrId: string): Promise<VerifiedRelease>;
  /** Files by their path within the folder. @throws as `readReleaseFiles` */
  folder(release: VerifiedRelease, folder: string): Promise<ReadonlyMap<string, Buffer>>;
}

/**
 * Remembers what was verified while no file in the store's directory changes. Inode, size and the time of the last
 * change of the inode tell; the last cannot be set by whoever writes a file. What was refused is not remembered.
 */
export function unchangedStore(store: ReleaseStore, directory: string): VerifiedReleases {
  const known = new Map<string, Promise<unknown>>();
  let state = "";
  const once = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const now = await fingerprint(directory);
    if (now !== state) known.clear();
    state = now;
    let result = known.get(key) as Promise<T> | undefined;
    if (result === undefined) {
      result = work();
      known.set(key, result);
      result.catch(() => known.delete(key));
    }
    return result;
  };
  return {
    find: (versionOrId) => once(`release ${versionOrId}`, () => store.find(versionOrId)),
    folder: (release, folder) => once(`${release.sha256} ${folder}`, () => folderOf(release, folder)),
  };
}

async function folderOf(release: VerifiedRelease, folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const prefix = `${folder}/`;
  const files = await readReleaseFiles(release, (file) => file.path.startsWith(prefix));
  return new Map([...files].map(([file, bytes]) => [file.slice(prefix.length), bytes]));
}

async function fingerprint(directory: string): Promise<string> {
  // A directory that cannot be read is the store's to report.
  const names = await readdir(directory).catch((): string[] => []);
  const parts = names.toSorted().map(async (name) => {
    const found = await stat(path.join(directory, name), { bigint: true }).catch(() => null);
    return found === null ? name : `${name} ${found.ino} ${found.size} ${found.ctimeNs}`;
  });
  return (await Promise.all(parts)).join("\n");
}
