import { findProgram } from "./find-program.ts";

/** Names of variables that programs need to work at all, and that hold no secret. */
const PASSED = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "NO_COLOR",
  // So that a runbook's own scripts find the Sunny that runs them, and the configuration that it runs with.
  "SUNNY_BIN",
  "SUNNY_CONFIG",
];

/** The part of an environment that programs may see. Credentials in variables stay behind: hand them over as files. */
export function passedEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    PASSED.flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/** The shell for commands of a runbook: bash, where a failure inside a pipe is a failure; else sh. */
export function shellOf(environment: Readonly<Record<string, string>>): readonly [string, ...string[]] {
  const bash = findProgram("bash", environment["PATH"] ?? "/usr/bin:/bin", "/");
  return bash === null ? ["/bin/sh", "-eu", "-c"] : [bash, "-euo", "pipefail", "-c"];
}
