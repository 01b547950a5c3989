import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { systemClock } from "../clock.ts";
import { type ErrorPlace, isSunnyError, messageOf, placeInModule, placeInTrace, SunnyError } from "../errors.ts";
import { sha256 } from "../json.ts";
import { closest } from "./closest.ts";
import { contradictionOf } from "./consistency.ts";
import { doubleKeyOf } from "./double-key.ts";
import { lineOf } from "./line-of.ts";
import { absolutePaths } from "./paths.ts";
import type { Listed } from "./last-inventory.ts";
import { systemSchema, type HostSpec, type System } from "./schema.ts";

const NAMES = ["sunny.config.ts", "sunny.config.js", "sunny.config.mjs", "sunny.config.json"];

export interface LoadedSystem {
  readonly system: System;
  /** Absolute path of the file. */
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly sourceDigest: string;
  /** What the inventory lists, for `keepInventory`; undefined without one, and when it could not be read. */
  readonly listed?: Listed;
  /** The inventory cannot be read, so its hosts are those that it listed before; only where that was asked for. */
  readonly stale?: {
    readonly why: string;
    /** Since when nobody knows better, ms since the epoch. */
    readonly readAt: number;
  };
}

export interface LoadOptions {
  /** Goes on with what the inventory listed last when it cannot be read: who has to act in an outage cannot wait for it. */
  readonly lastHosts?: boolean;
}

/**
 * Finds, evaluates and validates the configuration: `file` when given, else the nearest `sunny.config.*` in `cwd` or a
 * folder above it.
 * @throws CONFIG_NOT_FOUND, CONFIG_INVALID (with the key, and its line where it can be told)
 */
export async function loadSystem(
  file: string | undefined,
  cwd: string,
  options: LoadOptions = {},
): Promise<LoadedSystem> {
  const found = file === undefined ? nearest(cwd) : path.resolve(cwd, file);
  if (found === undefined || !existsSync(found)) {
    throw new SunnyError(
      "CONFIG_NOT_FOUND",
      `No configuration found: ${found ?? `no sunny.config.* in ${cwd} or above`}`,
      {
        hint: "Create sunny.config.ts beside the runbook, or name one with --config FILE or SUNNY_CONFIG.",
      },
    );
  }
  const text = read(found);
  const value = await evaluate(found, text);
  const parsed = systemSchema.safeParse(value);
  if (!parsed.success) throw invalid(found, text, parsed.error);
  const base = path.dirname(found);
  const { hosts, inventory } = parsed.data;
  const systemOf = (listed: readonly HostSpec[]): System => {
    const system = absolutePaths({ ...parsed.data, hosts: [...hosts, ...listed] }, base);
    if (system.hosts.length === 0) throw noHosts(found, inventory);
    requireConsistent(found, text, system);
    return system;
  };
  const whole =
    inventory === undefined
      ? { system: systemOf([]) }
      : await withInventory(
          inventory.kind === "file" ? { ...inventory, path: path.resolve(base, inventory.path) } : inventory,
          { base, stateDir: path.resolve(base, parsed.data.stateDir), systemOf, options },
        );
  return { ...whole, file: found, sourceDigest: sha256(text) };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SunnyError("CONFIG_NOT_FOUND", `Cannot read the configuration: ${messageOf(error)}`, {
      place: { file },
      hint: "Name a file that you can read, with --config FILE or SUNNY_CONFIG.",
      cause: error,
    });
  }
}

/** With the hosts of the inventory, or those that it listed last. */
async function withInventory(
  inventory: NonNullable<System["inventory"]>,
  {
    base,
    stateDir,
    systemOf,
    options,
  }: {
    readonly base: string;
    readonly stateDir: string;
    readonly systemOf: (listed: readonly HostSpec[]) => System;
    readonly options: LoadOptions;
  },
): Promise<Pick<LoadedSystem, "system" | "listed" | "stale">> {
  const { inventoryText, listedHosts } = await import("./inventory.ts");
  const { lastInventory } = await import("./last-inventory.ts");
  try {
    const text = await inventoryText(inventory, base);
    const listed = { inventory, readAt: systemClock.now(), text };
    return { system: systemOf(listedHosts(inventory, text)), listed };
  } catch (error) {
    const last = options.lastHosts === true ? lastInventory(stateDir, inventory) : null;
    if (last === null) throw error;
    return {
      system: systemOf(listedHosts(inventory, last.text)),
      stale: { why: messageOf(error), readAt: last.readAt },
    };
  }
}

function noHosts(file: string, inventory: System["inventory"]): SunnyError {
  const source = inventory === undefined ? "" : inventory.kind === "file" ? inventory.path : inventory.argv.join(" ");
  const message = "The configuration is wrong at hosts: there is not a single host";
  return new SunnyError("CONFIG_INVALID", inventory === undefined ? message : `${message}, and none in its inventory`, {
    place: { file },
    hint:
      inventory === undefined
        ? "List the servers of the service under `hosts`, or name an `inventory` that does."
        : `See why \`${source}\` lists none.`,
  });
}

function nearest(cwd: string): string | undefined {
  for (let dir = path.resolve(cwd); ; dir = path.dirname(dir)) {
    const name = NAMES.find((candidate) => existsSync(path.join(dir, candidate)));
    if (name !== undefined) return path.join(dir, name);
    if (dir === path.dirname(dir)) return undefined;
  }
}

async function evaluate(file: string, text: string): Promise<unknown> {
  try {
    if (file.endsWith(".json")) return readJson(file, text);
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (module.default === undefined) throw new Error("it has no default export");
    return module.default;
  } catch (error) {
    if (isSunnyError(error)) throw error;
    const place = file.endsWith(".json") ? undefined : (placeInModule(error) ?? placeInUnread(error, file));
    throw new SunnyError("CONFIG_INVALID", `Cannot evaluate the configuration: ${messageOf(error)}`, {
      place: place ?? { file },
      hint: "A configuration is a module with the system as its default export, or a JSON file.",
      cause: error,
    });
  }
}

/** @throws CONFIG_INVALID for a key that stands twice: which of the two is meant is not for Sunny to decide. */
function readJson(file: string, text: string): unknown {
  const value: unknown = JSON.parse(text);
  const double = doubleKeyOf(text);
  if (double === null) return value;
  const { path: keys, line, before } = double;
  const message = `The configuration is wrong at ${show(keys)}: the key stands twice, first on line ${before}`;
  throw new SunnyError("CONFIG_INVALID", message, { place: { file, line }, hint: "Keep one of the two." });
}

/** Of JavaScript that cannot be read, Node.js tells the place only to who does not catch the error. */
function placeInUnread(error: unknown, file: string): ErrorPlace | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  const again = `await import(${JSON.stringify(pathToFileURL(file).href)})`;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", again];
  const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 10_000 });
  return placeInTrace(stderr);
}

function invalid(file: string, text: string, error: z.ZodError): SunnyError {
  const problems = error.issues.flatMap((issue) => explain(issue));
  const first = problems[0] ?? { path: [], message: "it is not valid" };
  const line = lineOf(text, first.path);
  const rest = problems.slice(1).map((problem) => `also ${show(problem.path)}: ${problem.message}`);
  return new SunnyError("CONFIG_INVALID", `The configuration is wrong at ${show(first.path)}: ${first.message}`, {
    place: { file, ...(line === undefined ? {} : { line }) },
    hint: [...rest, "docs/reference/config.md lists every key with its default."].join("\n"),
    details: { problems: problems.map((problem) => ({ key: show(problem.path), message: problem.message })) },
  });
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(issue.path);
    return issue.keys.map((key) => {
      const near = closest(key, known);
      return {
        path: [...issue.path, key],
        message: near === undefined ? "there is no such key" : `there is no such key; did you mean "${near}"?`,
      };
    });
  }
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  return [{ path: issue.path, message: missing ? "it is missing" : issue.message }];
}

/** The keys that the schema knows at a path; empty inside unions and records, where no single list exists. */
function keysAt(keys: readonly PropertyKey[]): string[] {
  let at: unknown = systemSchema;
  for (const key of keys) {
    at = unwrap(at);
    if (at instanceof z.ZodObject) at = (at.shape as Record<string, unknown>)[String(key)];
    else if (at instanceof z.ZodArray) at = at.element;
    else return [];
  }
  at = unwrap(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  return at;
}

function show(keys: readonly PropertyKey[]): string {
  if (keys.length === 0) return "the top level";
  return keys.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key)}`)).join("");
}

function requireConsistent(file: string, text: string, system: System): void {
  const found = contradictionOf(system);
  if (found === null) return;
  const line = lineOf(text, found.path);
  throw new SunnyError("CONFIG_INVALID", `The configuration is wrong at ${show(found.path)}: ${found.message}`, {
    place: { file, ...(line === undefined ? {} : { line }) },
    hint: found.hint,
  });
}
