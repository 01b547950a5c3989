import { canonicalJson } from "../json.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";

/** What changes from one release to another; paths and ids in order. */
export interface ReleaseDiff {
  readonly files: { readonly added: string[]; readonly removed: string[]; readonly changed: string[] };
  readonly migrations: {
    readonly added: string[];
    readonly removed: string[];
    /** Same id, other content: never right, since one of the two was or will be applied under that id. */
    readonly changed: string[];
  };
  readonly infrastructureChanged: boolean;
  readonly schema: { readonly from: string | null; readonly to: string | null };
  readonly startChanged: boolean;
}

/** Compares two releases by their manifests. */
export function diffReleases(from: ReleaseManifest, to: ReleaseManifest): ReleaseDiff {
  return {
    files: compare(
      new Map(from.files.map((file) => [file.path, signature(file)])),
      new Map(to.files.map((file) => [file.path, signature(file)])),
    ),
    migrations: compare(migrationMap(from), migrationMap(to)),
    infrastructureChanged: canonicalJson(from.infrastructure) !== canonicalJson(to.infrastructure),
    schema: { from: from.schema, to: to.schema },
    startChanged: canonicalJson(from.start) !== canonicalJson(to.start),
  };
}

function signature(file: ReleaseFile): string {
  return `${file.mode} ${file.sha256} ${file.link ?? ""}`;
}

function migrationMap(manifest: ReleaseManifest): Map<string, string> {
  return new Map(manifest.migrations.map(({ id, up, down }) => [id, `${up.sha256} ${down?.sha256 ?? ""}`]));
}

function compare(
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): { added: string[]; removed: string[]; changed: string[] } {
  return {
    added: [...to.keys()].filter((key) => !from.has(key)),
    removed: [...from.keys()].filter((key) => !to.has(key)),
    changed: [...to.keys()].filter((key) => from.has(key) && from.get(key) !== to.get(key)),
  };
}
