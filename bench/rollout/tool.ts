/** What is measured. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { BenchFleet } from "./fleet.ts";
import type { BenchRelease } from "./releases.ts";

export interface Tool {
  readonly name: string;
  /** What is started, in its own directory. */
  command(
    fleet: BenchFleet,
    release: BenchRelease,
  ): { readonly argv: readonly string[]; readonly env?: NodeJS.ProcessEnv };
}

/** Where a tool's own files are; its processes run there. */
export function workDir(fleet: BenchFleet, tool: string): string {
  const dir = path.join(fleet.dir, "tools", tool);
  mkdirSync(dir, { recursive: true });
  return dir;
}
