import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { Sunny } from "../main.ts";
import type { CliContext } from "./context.ts";
import { configure } from "./doctor.ts";
import { createOutput } from "./output.ts";

interface Told {
  readonly text: string;
  readonly line: number | null;
  readonly state: string;
  readonly message: string;
}

const servers = [{ name: "web-1" }, { name: "web-2" }];

/** A system with two hosts and an SQLite database that is there. */
const world = {
  system: { hosts: [{ name: "web-1" }, { name: "web-2" }] },
  reach: () => Promise.resolve(),
  environment: () => Promise.resolve({ servers, read: [], unread: [], probes: new Map() }),
  requireOrders: () => Promise.resolve(),
};

/** What `sunny doctor` answers for these prerequisites. */
async function answers(t: TestContext, prerequisites: readonly string[], change: object = {}): Promise<Told[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-doctor-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [runbook, file] = [path.join(directory, "RUNBOOK.md"), path.join(directory, "payments.db")];
  writeFileSync(runbook, `# R\n\n## Prerequisites\n\n${prerequisites.map((text) => `- ${text}\n`).join("")}`);
  writeFileSync(file, "");
  const system = { ...world.system, database: { kind: "sqlite", file } };
  const sunny = { ...world, system, ...change } as unknown as Sunny;
  let out = "";
  const stdout = { write: (text: string) => (out += text) };
  const context = {
    output: createOutput({ json: true, stdout, stderr: { write: () => {} }, clock: systemClock }),
    cwd: directory,
    env: {},
    sunny: () => Promise.resolve(sunny),
    exit: () => {},
  } as unknown as CliContext;
  const command = new Command();
  configure(command, context);
  await command.parseAsync(["--runbook", runbook], { from: "user" });
  const events = out.trim().split("\n");
  return events.slice(0, -1).map((line) => JSON.parse(line) as Told);
}

const ALWAYS = ["the configured hosts ok", "the load balancer ok"];
const short = ({ text, state }: Told): string => `${text} ${state}`;

test("access to a database that the configuration does not use is not taken for there", async (t) => {
  const told = await answers(t, ["Admin access to MongoDB Atlas", "Access to the database", "A parking permit"]);
  const states = told.filter(({ line }) => line !== null).map(({ state }) => state);
  assert.deepEqual(states, ["unchecked", "ok", "unchecked"]);
});

test("hosts and load balancer are looked at also when no prerequisite names them, and once", async (t) => {
  assert.deepEqual((await answers(t, [])).map(short), ALWAYS);
  const named = await answers(t, ["An SSH key that the servers accept"]);
  assert.deepEqual(named.map(short), ["An SSH key that the servers accept ok", "the load balancer ok"]);
});

test("a host that cannot be read is named once, and a load balancer that cannot be asked says why", async (t) => {
  const told = await answers(t, [], {
    reach: (name: string) => (name === "web-2" ? Promise.reject(new Error("web-2: no route")) : Promise.resolve()),
    environment: () => Promise.resolve({ servers: [], unread: ["lb-1: no such socket"], probes: new Map() }),
  });
  assert.deepEqual(
    told.map(({ state, message }) => [state, message]),
    [
      ["missing", "web-2: no route"],
      ["missing", "lb-1: no such socket"],
    ],
  );
});

test("a host that the load balancer does not know is missing there", async (t) => {
  const environment = (): Promise<object> => Promise.resolve({ servers: servers.slice(1), unread: [] });
  const told = await answers(t, [], { environment });
  assert.equal(told.at(-1)?.message, "the load balancer has no server web-1; it has: web-2");
});

test("a load balancer that can be read and takes no orders is missing with its reason", async (t) => {
  const reason = "HAProxy at lb-1 takes no orders: the socket has `level operator`, it needs `level admin`";
  const told = await answers(t, [], { requireOrders: () => Promise.reject(new Error(reason)) });
  assert.deepEqual([told.at(-1)?.state, told.at(-1)?.message], ["missing", reason]);
});
