/**
 * The command that starts the supervised service of a local host; the host's root is appended. The running Node starts
 * it, so that a service needs no other one. See `supervisor-main.ts`.
 */
export function localStarter(): readonly string[] {
  const extension = import.meta.filename.endsWith(".ts") ? ".ts" : ".js";
  const entry = `${import.meta.dirname}/supervisor-main${extension}`;
  return [process.execPath, "--disable-warning=ExperimentalWarning", entry];
}
