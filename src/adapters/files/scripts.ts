import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { sha256 } from "../../json.ts";
import { isLauncher } from "../../operations/launcher.ts";
import type { ScriptPlace } from "../../plan/model.ts";
import type { ResolvedScript } from "../../plan/steps.ts";
import { allSteps, type Runbook } from "../../runbook/model.ts";

/** The scripts that come with Sunny. */
export const BUILT_IN_SCRIPTS = path.join(packageRoot(import.meta.dirname), "scripts");

/** The folder of the package's own package.json, whether this file runs as it is or was compiled to dist/. */
function packageRoot(from: string): string {
  for (let dir = from; dir !== path.dirname(dir); dir = path.dirname(dir)) {
    if (existsSync(path.join(dir, "package.json"))) return dir;
  }
  return from;
}

/**
 * Finds every script that the runbook names: beside the runbook, then in the configured folder, then among Sunny's own,
 * by base name in the latter two. Scripts that are nowhere are left out.
 */
export function resolveScripts(
  runbook: Runbook,
  configured: string | undefined,
  operations: ReadonlySet<string>,
): ReadonlyMap<string, ResolvedScript> {
  const found = new Map<string, ResolvedScript>();
  for (const step of allSteps(runbook)) {
    if (step.command.kind !== "script" || found.has(step.command.path)) continue;
    const script = locate(step.command.path, path.dirname(path.resolve(runbook.file)), configured);
    if (script === null) continue;
    const bytes = readFileSync(script.file);
    const { name } = step.command;
    const operation = operations.has(name) && isLauncher(bytes, name) ? name : null;
    found.set(step.command.path, {
      ...script,
      sha256: sha256(bytes),
      operation,
      executable: isExecutable(script.file),
    });
  }
  return found;
}

function locate(
  written: string,
  beside: string,
  configured: string | undefined,
): { file: string; found: ScriptPlace } | null {
  const base = path.basename(written);
  const candidates: { file: string; found: ScriptPlace }[] = [
    { file: path.resolve(beside, written), found: "beside the runbook" },
    ...(configured === undefined
      ? []
      : [{ file: path.join(configured, base), found: "in the configured scripts" as const }]),
    { file: path.join(BUILT_IN_SCRIPTS, base), found: "built in" },
  ];
  return candidates.find(({ file }) => statSync(file, { throwIfNoEntry: false })?.isFile() === true) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
