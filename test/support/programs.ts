/** Programs that tests need and that the project does not bring along. */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import process from "node:process";

/** Path of a program in PATH, where administrators' programs are, or in `more`; undefined when it is not installed. */
export function findProgram(name: string, more: readonly string[] = []): string | undefined {
  const onPath = (process.env["PATH"] ?? "").split(path.delimiter);
  const folders = [...onPath, "/usr/sbin", "/usr/local/sbin", "/sbin", ...more];
  for (const folder of folders) {
    const candidate = path.join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Looked for in the next folder.
    }
  }
  return undefined;
}

/**
 * For `test(name, { skip: without("sshd") }, ...)`: why a test cannot run here, or false when it can. With CI=true
 * nothing is skipped, so that a missing program is a failure there.
 */
export function without(...names: readonly string[]): string | false {
  const missing = names.filter((name) => findProgram(name) === undefined);
  return missing.length > 0 && unlessCi(`needs ${missing.join(" and ")}, not installed here`);
}

/** The same for what is found in another way: the reason to skip, and false with CI=true, where the test is to fail. */
export function unlessCi(reason: string): string | false {
  return process.env["CI"] !== "true" && reason;
}

/** Path of a program that a test cannot do without. @throws Error when it is not installed */
export function needProgram(name: string): string {
  const found = findProgram(name);
  if (found === undefined) throw new Error(`${name} is not installed: this test needs it`);
  return found;
}

/** The shells that a host may have as its `sh` and that are installed; with CI=true all of them, as nothing is skipped there. */
export const SHELLS: readonly string[] = ["dash", "bash", "busybox"].filter((name) => without(name) === false);

/** The same as commands that run what they read in the way of POSIX. */
export const SHELL_COMMANDS: readonly string[] = SHELLS.map(
  (name) => ({ bash: "bash --posix", busybox: "busybox ash" })[name] ?? name,
);
