import { execFile } from "node:child_process";
import type { ExecFileException } from "node:child_process";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { systemClock } from "../clock.ts";
import { messageOf, SunnyError } from "../errors.ts";
import { hostSchema } from "./schema.ts";
import type { HostSpec, System } from "./schema.ts";

const MAX_BYTES = 16 * 1024 * 1024;
/** What a command gets to end by itself after it was asked to. */
const KILL_MS = 2_000;

const listSchema = z.union([
  z.array(hostSchema),
  z.object({ hosts: z.array(hostSchema) }).transform((all) => all.hosts),
]);

type Inventory = NonNullable<System["inventory"]>;

/**
 * What lists hosts outside of the configuration: a JSON file, or the standard output of a command, which runs in `directory`
 * without a shell.
 *
 * @throws INVENTORY_INVALID naming the file or command
 */
export async function inventoryText(inventory: Inventory, directory: string): Promise<string> {
  try {
    return await (inventory.kind === "file" ? readList(inventory.path) : commandOutput(inventory, directory));
  } catch (error) {
    throw invalid(inventory, messageOf(error), error);
  }
}

/**
 * The hosts in such a text: either an array of hosts as in `hosts`, or an object with that array as `hosts`. Relative paths
 * are those of the configuration.
 *
 * @throws INVENTORY_INVALID naming the file or command, and the host and key that are wrong
 */
export function listedHosts(inventory: Inventory, text: string): readonly HostSpec[] {
  let json: unknown;
  try {
    // Some editors and exports put a byte order mark before the first character.
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw invalid(inventory, `it is not JSON: ${messageOf(error)}`, error);
  }
  const parsed = listSchema.safeParse(json);
  if (!parsed.success) throw invalid(inventory, explain(json), parsed.error);
  return parsed.data;
}

function readList(file: string): Promise<string> {
  return readFile(file, "utf8");
}

/**
 * A command that does not end in time is asked to, and killed when it does not: whoever waits for a list of hosts must not
 * wait for ever. What it started, and what holds its output open, is not waited for.
 */
function commandOutput(command: Extract<Inventory, { kind: "command" }>, directory: string): Promise<string> {
  const [program = "", ...args] = command.argv;
  return new Promise((resolve, reject) => {
    let late = false;
    const options = { cwd: directory, maxBuffer: MAX_BYTES, encoding: "utf8" } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      for (const cancel of timers) cancel();
      if (error === null && !late) return resolve(stdout);
      const why = late ? `it did not end within ${command.timeoutMs} ms` : whyEnded(error);
      reject(new Error([why, stderr.trim()].filter((part) => part !== "").join(": "), { cause: error }));
    });
    const timers = [
      systemClock.timer(command.timeoutMs, () => {
        late = true;
        child.kill("SIGTERM");
        child.stdout?.destroy();
        child.stderr?.destroy();
      }),
      systemClock.timer(command.timeoutMs + KILL_MS, () => child.kill("SIGKILL")),
    ];
    // It may be gone before its input ends.
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  });
}

function whyEnded(error: ExecFileException | null): string {
  if (error?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `it printed more than ${MAX_BYTES / 1024 ** 2} MiB`;
  if (typeof error?.code === "number") return `it exited with status ${error.code}`;
  if (error?.signal !== undefined && error.signal !== null) return `it was ended by ${error.signal}`;
  return messageOf(error);
}

/** Which host is wrong, and how: the union of the two forms would only say that neither fits. */
function explain(json: unknown): string {
  const list = Array.isArray(json) ? json : (json as { hosts?: unknown } | null)?.hosts;
  const problem = z.array(hostSchema).safeParse(list).error?.issues[0];
  if (!Array.isArray(list) || problem === undefined) return "it is neither a list of hosts nor an object with one";
  const [at, ...keys] = problem.path;
  const named = (list[Number(at)] as { name?: unknown } | undefined)?.name;
  const who = typeof named === "string" ? `host ${JSON.stringify(named)}` : `host number ${Number(at) + 1}`;
  return `${who} is wrong${keys.length === 0 ? "" : ` at ${keys.join(".")}`}: ${problem.message}`;
}

function invalid(inventory: Inventory, why: string, cause: unknown): SunnyError {
  const source = inventory.kind === "file" ? inventory.path : `the command ${inventory.argv.join(" ")}`;
  return new SunnyError("INVENTORY_INVALID", `Cannot read the hosts from ${source}: ${why}`, {
    hint: "A list of hosts is JSON in the form of `hosts` in the configuration; see docs/reference/ssh.md.",
    cause,
  });
}
