import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { failureOf, named, runOperation, testCall } from "../../operations/checks/testing/fixtures.ts";
import { DatabaseWorld } from "./testing.ts";

const check = (world: DatabaseWorld): ReturnType<typeof failureOf> =>
  failureOf(named(world.operations, "check-db-connection"), { system: world.system });

test("a database that answers and pools with room pass, with their figures", async (t) => {
  const world = new DatabaseWorld(t);
  const report = await runOperation(named(world.operations, "check-db-connection"), { system: world.system });
  assert.deepEqual(
    report.findings?.map(({ subject }) => subject),
    ["database", "write lock", "pool of web-1", "pool of web-2"],
  );
  assert.equal(report.findings?.[2]?.message, "1 of 8 connections in use, 2 open, 0 waiting");
});

test("a host whose pool is exhausted is named", async (t) => {
  const world = new DatabaseWorld(t);
  world.pools.set("web-2", { open: 8, inUse: 8, idle: 0, waiting: 5, max: 8 });
  assert.match(
    (await check(world)).message,
    /^1 of 4 checks failed: pool of web-2: exhausted: 8 of 8 connections in use, 8 open, 5 waiting$/,
  );
});

test("a host whose service does not answer is named, and the others are still checked", async (t) => {
  const world = new DatabaseWorld(t);
  world.pools.delete("web-1");
  const failure = await check(world);
  assert.match(failure.message, /pool of web-1: The service on web-1 does not answer/);
  assert.equal(failure.findings.length, 4);
});

test("a database that is no database is named", async (t) => {
  const world = new DatabaseWorld(t);
  writeFileSync(world.file, "x".repeat(8192));
  assert.match(
    (await check(world)).message,
    /database: The database .*payments\.db cannot be opened: file is not a database/,
  );
});

test("a write lock that somebody holds is named", async (t) => {
  const world = new DatabaseWorld(t);
  const holder = new DatabaseSync(world.file);
  t.after(() => holder.close());
  holder.exec("BEGIN IMMEDIATE");
  const probe = { ...world.ports.probe };
  // The same probe with less patience.
  world.ports.probe.check = (_options, signal) => probe.check({ timeoutMs: 50 }, signal);
  assert.match(
    (await check(world)).message,
    /database: The database is locked: another process held it for more than 50 ms/,
  );
});

test("resetting closes and reopens the pools host by host, and checks each", async (t) => {
  const world = new DatabaseWorld(t);
  world.pools.set("web-1", { open: 8, inUse: 8, idle: 0, waiting: 5, max: 8 });
  const operation = named(world.operations, "reset-db-connections");
  const report = await runOperation(operation, { system: world.system });
  assert.equal(report.summary, "10 connections closed and the pools of 2 hosts opened anew");
  assert.match(report.findings?.[0]?.message ?? "", /0 of 8 connections in use/);
});

test("resetting can be limited to hosts, and refuses one that is not there", async (t) => {
  const world = new DatabaseWorld(t);
  const operation = named(world.operations, "reset-db-connections");
  const report = await runOperation(operation, { system: world.system, args: { _: ["web-2"] } });
  assert.match(report.summary, /^2 connections closed and the pools of 1 host /);
  const failure = await failureOf(operation, { system: world.system, args: { _: ["web-9"] } });
  assert.equal(failure.message, "there is no host web-9; known are: web-1, web-2");
  const about = { release: null, previous: null };
  assert.equal(operation.check?.({ _: ["web-9"] }, world.system, about), failure.message);
  assert.equal(operation.check?.({ _: [] }, world.system, about), null);
});

test("a reset that does not help stops at the host and names it", async (t) => {
  const world = new DatabaseWorld(t);
  const busy = { open: 8, inUse: 8, idle: 0, waiting: 3, max: 8 };
  world.ports.pools.resetConnections = () => Promise.resolve({ ...busy, closed: 8 });
  world.pools.set("web-1", busy);
  const failure = await failureOf(named(world.operations, "reset-db-connections"), { system: world.system });
  assert.match(failure.message, /pool of web-1: exhausted/);
  assert.equal(failure.findings.length, 1);
});

test("a reset that failed needs no way back, so it keeps nobody else from repairing the service", async (t) => {
  const world = new DatabaseWorld(t);
  const { wayBack } = named(world.operations, "reset-db-connections");
  assert.ok(wayBack?.kind === "revert");
  const report = await wayBack.run(
    new DirectContext(systemClock),
    testCall(named(world.operations, "reset-db-connections"), { system: world.system }),
  );
  assert.match(report.summary, /^Not needed/);
});
