import assert from "node:assert/strict";
import { rename, stat } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { stageRelease } from "../releases/stage.ts";
import {
  admin,
  exitOf,
  migratedDatabase,
  postPayment,
  spawnService,
  startService,
  startVariant,
  testDirectory,
} from "../testing/service.ts";

test("metrics are valid Prometheus text and count what was asked, probes apart", async (t) => {
  const { url } = await startVariant(t, "baseline");
  for (let turn = 0; turn < 3; turn += 1) await postPayment(url, `order-000${turn}`);
  await postPayment(url, "order-0009", {});
  await fetch(`${url}/health`);
  const answer = await fetch(`${url}/metrics`);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const metrics = parse(await answer.text());
  const name = "http_request_duration_seconds";
  assert.equal(metrics.get(`${name}_count{method="POST",route="/payments",status="201"}`), 3);
  assert.equal(metrics.get(`${name}_count{method="POST",route="/payments",status="400"}`), 1);
  assert.equal(metrics.get(`${name}_bucket{method="POST",route="/payments",status="201",le="0.5"}`), 3);
  assert.equal(metrics.get(`${name}_bucket{method="POST",route="/payments",status="201",le="+Inf"}`), 3);
  assert.equal(metrics.get(`${name}_count{method="GET",route="/payments/:id",status="200"}`), 0);
  assert.equal(metrics.get(`http_probe_duration_seconds_count{method="GET",route="/health",status="200"}`), 1);
  assert.equal(metrics.get('app_info{version="2.0.0",host="web-1"}'), 1);
  assert.equal(metrics.get("payments_memory_limit_bytes"), 256 * 1024 * 1024);
  assert.equal(metrics.get("payments_cpu_limit_cores"), 1);
  assert.equal(metrics.get("payments_db_connections_max"), 8);
  assert.ok((metrics.get("payments_db_connections") ?? 0) >= 1);
  assert.ok((metrics.get("payments_queue_length") ?? -1) >= 0);
  assert.ok((metrics.get("process_cpu_seconds_total") ?? 0) > 0);
  assert.ok((metrics.get("process_resident_memory_bytes") ?? 0) > 10_000_000);
  assert.ok((metrics.get("nodejs_heap_size_used_bytes") ?? 0) > 1_000_000);
});

test("health is 503 with the reason when the schema is older than the release, and 200 once it is migrated", async (t) => {
  const directory = await testDirectory(t);
  const releaseDir = `${directory}/release`;
  await stageRelease("good", releaseDir);
  const data = await migratedDatabase(`${directory}/payments.db`, releaseDir, "0001");
  const { url } = await startService(t, { releaseDir, data, runDir: directory });
  const before = await fetch(`${url}/health`);
  assert.equal(before.status, 503);
  assert.deepEqual(((await before.json()) as { reasons: string[] }).reasons, [
    "schema: the database lacks payments.reference",
  ]);
  await migrate(data, releaseDir, "0002_payment_references.up.sql");
  const after = await fetch(`${url}/health`);
  assert.deepEqual([after.status, await after.json()], [200, { status: "ok", version: "2.1.0", host: "web-1" }]);
});

test("the previous release works on the newer schema, and the migration goes back while it runs", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("good", `${directory}/good`);
  await stageRelease("baseline", `${directory}/baseline`);
  const data = await migratedDatabase(`${directory}/payments.db`, `${directory}/good`);
  const { url } = await startService(t, { releaseDir: `${directory}/baseline`, data, runDir: directory });
  const created = (await (await postPayment(url, "order-0001")).json()) as { id: string };
  await migrate(data, `${directory}/good`, "0002_payment_references.down.sql");
  assert.equal((await fetch(`${url}/payments/${created.id}`)).status, 200);
  assert.equal((await postPayment(url, "order-0002")).status, 201);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  await migrate(data, `${directory}/good`, "0002_payment_references.up.sql");
  assert.equal((await postPayment(url, "order-0003")).status, 201);
});

test("a missing database is a reason for 503, is not made anew, and health recovers when it is back", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("baseline", `${directory}/release`);
  const away = await migratedDatabase(`${directory}/away.db`, `${directory}/release`);
  const data = `${directory}/payments.db`;
  const { url } = await startService(t, { releaseDir: `${directory}/release`, data, runDir: directory });
  const answer = await fetch(`${url}/health`);
  assert.equal(answer.status, 503);
  assert.match(JSON.stringify(await answer.json()), /database: unable to open database file/);
  assert.equal((await postPayment(url, "order-0001")).status, 503);
  await assert.rejects(stat(data));
  await rename(away, data);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal((await postPayment(url, "order-0001")).status, 201);
});

test("status tells version, host, uptime, queue, database and checks", async (t) => {
  const { url } = await startVariant(t, "baseline");
  const status = (await (await fetch(`${url}/status`)).json()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(status), [
    "version",
    "host",
    "pid",
    "startedAt",
    "uptimeSeconds",
    "queue",
    "database",
    "memory",
    "checks",
  ]);
  assert.deepEqual(status["checks"], { process: "ok", database: "ok", schema: "ok" });
  assert.deepEqual(status["queue"], { length: 0, oldest: null });
});

test("the admin socket is for its owner only; it shows connections and memory and resets the pool", async (t) => {
  const { url, adminSocket, stop } = await startVariant(t, "baseline");
  await postPayment(url, "order-0001");
  assert.equal((await stat(adminSocket)).mode & 0o777, 0o600);
  const connections = await admin(adminSocket, "GET", "/connections");
  assert.equal(connections.body["max"], 8);
  const reset = await admin(adminSocket, "POST", "/db/reset");
  assert.deepEqual([reset.status, reset.body["open"], reset.body["inUse"]], [200, 1, 0]);
  assert.equal((await postPayment(url, "order-0002")).status, 201);
  const memory = await admin(adminSocket, "GET", "/memory");
  assert.equal(memory.body["limitBytes"], 256 * 1024 * 1024);
  const [sample] = memory.body["samples"] as Record<string, unknown>[];
  assert.deepEqual(Object.keys(sample ?? {}), ["at", "residentBytes", "heapUsedBytes", "externalBytes", "requests"]);
  assert.equal((await admin(adminSocket, "GET", "/nothing")).status, 404);
  assert.equal((await fetch(`${url}/db/reset`, { method: "POST" })).status, 404, "never over the network");
  assert.equal(await stop(), 0);
  await assert.rejects(stat(adminSocket));
});

test("wrong settings end the start with all of them named", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("baseline", `${directory}/release`);
  const env = { PORT: "http", HOST_NAME: "", POOL_SIZE: "0" };
  const { child, logged } = spawnService(t, {
    releaseDir: `${directory}/release`,
    data: "x.db",
    runDir: directory,
    env,
  });
  assert.equal(
    (await logged("failed"))["reason"],
    "the settings are incomplete: PORT must be a whole number from 0 to 65535; HOST_NAME is not set; " +
      "POOL_SIZE must be a whole number from 1 to 100",
  );
  assert.equal(await exitOf(child), 1);
});

test("a port that is taken ends the start and leaves the other service and its admin socket alone", async (t) => {
  const first = await startVariant(t, "baseline");
  const env = { PORT: String(first.port) };
  const { releaseDir, data, directory } = first;
  const { child, logged } = spawnService(t, { releaseDir, data, runDir: directory, env });
  assert.match(String((await logged("failed"))["reason"]), /EADDRINUSE/);
  assert.equal(await exitOf(child), 1);
  assert.equal((await admin(first.adminSocket, "GET", "/connections")).status, 200);
});

async function migrate(file: string, releaseDir: string, name: string): Promise<void> {
  const { readFile } = await import("node:fs/promises");
  const db = new DatabaseSync(file, { timeout: 5_000 });
  db.exec(`BEGIN IMMEDIATE; ${await readFile(`${releaseDir}/migrations/${name}`, "utf8")}; COMMIT`);
  db.close();
}

/** Samples by name and labels; checks the grammar, that each name has one TYPE before it, and that buckets never fall. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith("\n"));
  let previous = { series: "", value: 0 };
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "TYPE") {
        assert.equal(types.has(comment[2] ?? ""), false, line);
        types.set(comment[2] ?? "", comment[3] ?? "");
      }
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z]+="[^"]*",?)+\})? (-?[0-9.e+-]+)$/.exec(line);
    assert.ok(sample !== null, `not a sample: ${line}`);
    const base = (sample[1] ?? "").replace(/_(bucket|sum|count)$/, "");
    assert.ok(types.has(base) || types.has(sample[1] ?? ""), `no TYPE before ${line}`);
    const series = line.replace(/,le="[^"]*"/, "").split(" ")[0] ?? "";
    if (line.includes("_bucket")) {
      assert.ok(series !== previous.series || Number(sample[3]) >= previous.value, `falls: ${line}`);
      previous = { series, value: Number(sample[3]) };
    }
    samples.set(`${sample[1]}${sample[2] ?? ""}`, Number(sample[3]));
  }
  return samples;
}
