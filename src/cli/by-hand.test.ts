import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { Sunny } from "../main.ts";
import type { ServerState } from "../operations/rollout/ports.ts";
import { configure as configureAdopt } from "./adopt.ts";
import type { Configure } from "./configure.ts";
import type { CliContext } from "./context.ts";
import { configure as configureEmergency } from "./emergency.ts";
import { createOutput } from "./output.ts";
import { configure as configureTraffic } from "./traffic.ts";

const RUNBOOK = `# Service

## Emergency Procedures

### 1. Data Loss

1. Stop write operations

### 2. Data Leak

1. Isolate affected systems
`;

async function call(configure: Configure, args: readonly string[], sunny: object): Promise<string> {
  let out = "";
  const stdout = { write: (text: string) => (out += text) };
  const output = createOutput({
    json: args.includes("--json"),
    stdout,
    stderr: { write: () => {} },
    clock: systemClock,
  });
  const context = { output, cwd: "/", sunny: () => Promise.resolve(sunny as Sunny), exit: () => {} };
  const command = new Command().option("--json").exitOverride();
  configure(command, context as unknown as CliContext);
  await command.parseAsync([...args], { from: "user" });
  return out;
}

const SERVER: ServerState = {
  name: "",
  admin: "ready",
  up: true,
  check: "L7OK/200",
  weightPercent: 100,
  sessions: 2,
  upgraded: 0,
  requests: 10,
  failures: 0,
};

function runbook(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-emergency-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, "RUNBOOK.md");
  writeFileSync(file, RUNBOOK);
  return file;
}

test("traffic shows each server with its state, health, load and version", async () => {
  const servers = [
    { ...SERVER, name: "web-1" },
    { ...SERVER, name: "web-10", admin: "drain", up: false, check: "L4CON", upgraded: 1 } as const,
  ];
  const environment = async () => ({
    servers,
    read: [],
    unread: [],
    probes: new Map([["web-1", { version: "2.1.0" }]]),
  });
  assert.deepEqual((await call(configureTraffic, [], { environment })).trim().split("\n"), [
    "web-1   ready  weight 100 %  up    2 in flight   10 requests, 0 failed  2.1.0",
    "web-10  drain  weight 100 %  down (L4CON)  2 in flight, 1 upgraded  10 requests, 0 failed  no answer",
  ]);
  const events = (await call(configureTraffic, ["--json"], { environment })).trim().split("\n");
  assert.deepEqual(
    events.map((line) => (JSON.parse(line) as { event: string }).event),
    ["server", "server", "summary"],
  );
});

test("traffic says so when the load balancer does not answer", async () => {
  const environment = async () => ({ servers: [], read: [], unread: ["no such socket"], probes: new Map() });
  await assert.rejects(call(configureTraffic, [], { environment }), { code: "LOAD_BALANCER_UNREACHABLE" });
});

test("adopt asks for a reason before it looks at anything", async () => {
  await assert.rejects(call(configureAdopt, ["--reason", "  "], {}), { code: "USAGE", message: /needs a reason/ });
});

test("emergency lists the procedures, and names them when one is unknown or could be several", async (t) => {
  const file = runbook(t);
  const sunny = { system: { runbook: file } };
  assert.equal(
    await call(configureEmergency, [], sunny),
    "Data Loss\n  1. Stop write operations\nData Leak\n  1. Isolate affected systems\n",
  );
  await assert.rejects(call(configureEmergency, ["data"], sunny), {
    code: "USAGE",
    message: 'There is no emergency procedure "data": it could be "Data Loss" or "Data Leak"',
  });
  await assert.rejects(call(configureEmergency, ["data los"], { ...sunny, prepare: {} }), (error: Error) => {
    // Found by a part of its name: what fails is that there is nothing to plan with.
    return !error.message.startsWith("There is no emergency procedure");
  });
});
