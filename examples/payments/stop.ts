/**
 * Ends a system that `npm run demo -- --keep` left running, and removes its directory: `npm run demo:stop -- DIR`. With
 * --keep-files the directory stays. Everything is read from the directory, so it works from any clone and any time.
 */
import { existsSync } from "node:fs";
import { realpath, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { messageOf, renderError, SunnyError } from "../../src/errors.ts";
import { loadSystem } from "../../src/system/load.ts";
import { stopSystem, type RunningSystem } from "./demo/system.ts";

const USAGE = "npm run demo:stop -- DIR [--keep-files]\n  DIR  what `npm run demo -- --keep` printed";

process.exitCode = await main();

async function main(): Promise<number> {
  let directory: string;
  let keepFiles: boolean;
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { "keep-files": { type: "boolean" } },
    });
    const [named, ...more] = positionals;
    if (named === undefined || more.length > 0) throw new Error("name one directory");
    directory = path.resolve(process.env["INIT_CWD"] ?? process.cwd(), named);
    keepFiles = values["keep-files"] ?? false;
  } catch (error) {
    console.error(`${messageOf(error)}\n${USAGE}`);
    return 2;
  }
  try {
    await stopSystem(await systemIn(directory), systemClock);
    if (!keepFiles) await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    console.log(`Proxy and services are ended${keepFiles ? "" : `, and ${directory} is removed`}.`);
    return 0;
  } catch (error) {
    console.error(renderError(error));
    return 1;
  }
}

/** What runs for the demo in `directory`; a directory of anything else is refused, since it would be removed. */
async function systemIn(directory: string): Promise<RunningSystem> {
  const config = path.join(directory, "sunny.config.json");
  const refuse = (why: string): never => {
    throw new SunnyError("FILE_UNREADABLE", `Cannot end a demo in ${directory}: ${why}; nothing was changed`, {
      hint: USAGE,
    });
  };
  if (!existsSync(config)) return refuse("it holds no sunny.config.json");
  const { system } = await loadSystem(config, directory);
  const { hosts, loadBalancer, stateDir } = system;
  const inside = `${await realpath(directory)}${path.sep}`;
  if (loadBalancer.kind !== "embedded") return refuse("its load balancer is not the demo's");
  const places = [stateDir, loadBalancer.socket, ...hosts.map((host) => host.root)];
  if (!places.every((place) => place.startsWith(inside))) return refuse("its parts lie elsewhere, so it is no demo's");
  return { hosts, proxy: { socket: loadBalancer.socket } };
}
