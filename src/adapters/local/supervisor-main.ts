import { accessSync, constants, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { messageOf } from "../../errors.ts";
import { hostBornOf, parseServiceEnv, parseStartCommand } from "./supervised-service.ts";

/*
 * Starts the supervised service of a local host, and becomes it: records its own pid and start time in
 * `<root>/.sunny/service.pid` and then replaces itself by the command of `current/release.json`. So there is no moment
 * in which the service runs and is not on record, and no process is left that only watches. A service that dies stays
 * dead: the load balancer's health check takes it out of traffic, and whoever deploys decides.
 *
 * Usage: supervisor-main ROOT, with the log as standard output and error.
 */

function main(root: string): void {
  const release = realpathSync(join(root, "current"));
  const argv = parseStartCommand(readFileSync(join(release, "release.json"), "utf8"));
  const env = { ...inherited(), ...serviceEnv(join(root, "shared", "service.env")) };
  const program = argv[0] === "node" ? process.execPath : findProgram(argv[0] ?? "", release, env["PATH"] ?? "");
  process.chdir(release);
  // Exclusive: of two that start at once, one becomes the service.
  writeFileSync(join(root, ".sunny", "service.pid"), `${hostBornOf(process.pid)}\n`, { mode: 0o600, flag: "wx" });
  process.execve?.(program, [argv[0] === "node" ? process.execPath : program, ...argv.slice(1)], env);
}

/** Nothing of the environment that the orchestrator runs in, which may hold secrets, but what every program needs. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "USER", "LOGNAME", "TZ", "TMPDIR"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function serviceEnv(path: string): Record<string, string> {
  try {
    return parseServiceEnv(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

function findProgram(name: string, cwd: string, path: string): string {
  if (name.includes("/")) return isAbsolute(name) ? name : resolve(cwd, name);
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Looked for in the next folder.
    }
  }
  throw new Error(`there is no program ${name} in PATH`);
}

try {
  main(process.argv[2] ?? "");
} catch (error) {
  process.stderr.write(`sunny: cannot start the service: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
