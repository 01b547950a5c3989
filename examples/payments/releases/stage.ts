import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";

/** The releases of the sample system. What each does follows from the code it is made of, never from its version. */
export type Variant = "baseline" | "good" | "failing" | "slow" | "crashing" | "leaking" | "exhausting";

interface Recipe {
  /** The version it is packed as unless another is asked for. */
  readonly version: string;
  /** Folders of `overlays/` that are laid over the app, in order; a later file replaces an earlier one. */
  readonly overlays: readonly string[];
  readonly about: string;
}

/** How each release is made. */
export const RECIPES: Readonly<Record<Variant, Recipe>> = {
  baseline: { version: "2.0.0", overlays: [], about: "the service as it runs today" },
  good: { version: "2.1.0", overlays: ["references"], about: "references of merchants, with one migration" },
  failing: { version: "2.2.0", overlays: ["references", "failing"], about: "5 % of its answers are errors" },
  slow: { version: "2.3.0", overlays: ["references", "slow"], about: "p95 above 500 ms" },
  crashing: { version: "2.4.0", overlays: ["references", "crashing"], about: "ends while it starts" },
  leaking: {
    version: "2.5.0",
    overlays: ["references", "leaking"],
    about: "keeps a quarter of a megabyte for every request",
  },
  exhausting: {
    version: "2.6.0",
    overlays: ["references", "exhausting"],
    about: "loses a database connection in one request of twenty",
  },
};

/** All variants, in the order of their versions. */
export const VARIANTS = Object.keys(RECIPES) as Variant[];

/** How the service is started, from the release's own directory. Bounded, so that a leak ends the service and not the machine. */
const START = ["node", "--max-old-space-size=1024", "main.js"];

/** What a release says about itself in `release.json`. */
export interface StagedRelease {
  readonly name: string;
  readonly version: string;
  readonly start: readonly string[];
}

/**
 * Lays the source of one release out in `destDir`, which must be empty or missing: the app, its overlays,
 * `migrations/`, `infrastructure/` and `release.json`. The same input gives the same bytes.
 */
export async function stageRelease(
  variant: Variant,
  destDir: string,
  options: { version?: string } = {},
): Promise<StagedRelease> {
  const recipe = RECIPES[variant];
  await mkdir(destDir, { recursive: true });
  if ((await readdir(destDir)).length > 0) throw new Error(`cannot stage a release in ${destDir}: it is not empty`);
  const here = import.meta.dirname;
  await copyTree(path.join(here, "..", "app"), destDir);
  await copyTree(path.join(here, "infrastructure"), path.join(destDir, "infrastructure"));
  for (const overlay of recipe.overlays) await copyTree(path.join(here, "overlays", overlay), destDir);
  const release = { name: "payments", version: options.version ?? recipe.version, start: START };
  await writeFile(path.join(destDir, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
  return release;
}

/** Tests and their helpers (TypeScript) stay behind: a release runs without tooling. */
function copyTree(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, filter: (source) => !source.endsWith(".ts") });
}
