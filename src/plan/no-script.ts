import type { Operation } from "../operation.ts";
import { diagnostic, type Diagnostic } from "../runbook/diagnostic.ts";
import type { ScriptCommand, Step } from "../runbook/model.ts";
import { closest } from "../system/closest.ts";

/**
 * PL201: a script that is nowhere. Names the one that may have been meant, as it would be written at that place; of the
 * operations only those count that have a script.
 */
export function noScript(
  file: string,
  step: Step,
  { path, name }: Pick<ScriptCommand, "path" | "name">,
  operations: Iterable<Pick<Operation, "name" | "script">>,
): Diagnostic {
  const files = new Map<string, string>();
  for (const one of operations) if (one.script !== null) files.set(one.name, `${one.name}.${one.script}`);
  const near = files.get(closest(name, files.keys()) ?? "");
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  // What has the name of an operation's script, and is not there, is not taken for another one.
  const meant = near === undefined || folder + near === path ? "" : `; did you mean \`${folder}${near}\`?`;
  const message = `There is no script \`${path}\`${meant}`;
  return diagnostic("PL201", file, step, { message });
}
