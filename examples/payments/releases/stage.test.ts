import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import test from "node:test";
import {
  admin,
  exitOf,
  migratedDatabase,
  payment,
  postPayment,
  spawnService,
  startVariant,
  testDirectory,
} from "../testing/service.ts";
import { RECIPES, VARIANTS, stageRelease } from "./stage.ts";

test("every release holds the app, its migrations and the same infrastructure, and nothing of the tests", async (t) => {
  const directory = await testDirectory(t);
  const infrastructure = new Set<string>();
  for (const variant of VARIANTS) {
    const dir = `${directory}/${variant}`;
    const staged = await stageRelease(variant, dir);
    assert.equal(staged.version, RECIPES[variant].version);
    assert.deepEqual(JSON.parse(await readFile(`${dir}/release.json`, "utf8")), staged);
    const files = await readdir(dir, { recursive: true });
    assert.ok(files.includes("main.js"));
    assert.deepEqual(
      files.filter((file) => file.endsWith(".ts")),
      [],
    );
    const migrations = (await readdir(`${dir}/migrations`)).toSorted();
    const initial = ["0001_initial.down.sql", "0001_initial.up.sql"];
    const second = ["0002_payment_references.down.sql", "0002_payment_references.up.sql"];
    assert.deepEqual(migrations, variant === "baseline" ? initial : [...initial, ...second]);
    const terraform = (await readdir(`${dir}/infrastructure`)).toSorted();
    infrastructure.add(
      JSON.stringify(await Promise.all(terraform.map((f) => readFile(`${dir}/infrastructure/${f}`, "utf8")))),
    );
  }
  assert.equal(infrastructure.size, 1);
  await assert.rejects(stageRelease("good", `${directory}/good`), /it is not empty/);
});

test("what a release does follows from its code: the failing one packed as 2.1.0 differs from 2.2.0 in its name only", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("failing", `${directory}/a`);
  await stageRelease("failing", `${directory}/b`, { version: "2.1.0" });
  for (const file of await readdir(`${directory}/a`, { recursive: true })) {
    const [a, b] = await Promise.all(
      ["a", "b"].map((one) => readFile(`${directory}/${one}/${file}`, "utf8").catch(() => "")),
    );
    if (file === "release.json") assert.notEqual(a, b);
    else assert.equal(a, b, file);
  }
});

test("the good release stores references of merchants and gives them back", async (t) => {
  const { url } = await startVariant(t, "good");
  const created = (await (await postPayment(url, "order-0001", payment({ reference: "A-77" }))).json()) as Record<
    string,
    unknown
  >;
  assert.equal(created["reference"], "A-77");
  const read = (await (await fetch(`${url}/payments/${created["id"]}`)).json()) as Record<string, unknown>;
  assert.equal(read["reference"], "A-77");
  const { reference } = (await (await postPayment(url, "order-0002")).json()) as { reference: unknown };
  assert.equal(reference, null);
});

test("the failing release answers 5 % of requests with 500, stays healthy, and stores nothing it did not acknowledge", async (t) => {
  const { url } = await startVariant(t, "failing");
  const failed: string[] = [];
  for (let turn = 0; turn < 100; turn += 1) {
    const answer = await postPayment(url, `order-${turn}-xx`);
    await answer.text();
    if (answer.status === 500) failed.push(`order-${turn}-xx`);
    else assert.equal(answer.status, 201);
  }
  assert.equal(failed.length, 5);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  for (const key of failed) {
    const again = await postPayment(url, key);
    assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [201, null]);
  }
});

test("the slow release answers everything, a quarter of it later than 600 ms", async (t) => {
  const { url } = await startVariant(t, "slow");
  const times = await Promise.all(
    Array.from({ length: 40 }, async (_, turn) => {
      const began = performance.now();
      const answer = await postPayment(url, `order-${turn}-xx`);
      assert.equal(answer.status, 201);
      return performance.now() - began;
    }),
  );
  // A busy machine makes others late as well, but never all of them, one after the other.
  assert.ok(times.filter((ms) => ms > 590).length >= 10, String(times));
  const alone: number[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    const began = performance.now();
    await (await postPayment(url, `alone-${turn}-xx`)).text();
    alone.push(performance.now() - began);
  }
  assert.ok(alone.filter((ms) => ms > 590).length >= 2, String(alone));
  assert.ok(Math.min(...alone) < 590, String(alone));
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test("the crashing release ends while it starts and says why", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("crashing", `${directory}/release`);
  const data = await migratedDatabase(`${directory}/payments.db`, `${directory}/release`);
  const { child, logged } = spawnService(t, { releaseDir: `${directory}/release`, data, runDir: directory });
  assert.match(String((await logged("failed"))["reason"]), /rates\.json/);
  assert.equal(await exitOf(child), 1);
});

test("the leaking release keeps a quarter of a megabyte for every request, the good one does not", async (t) => {
  const grown: Record<string, number> = {};
  for (const variant of ["good", "leaking"] as const) {
    const { url } = await startVariant(t, variant);
    const memory = async (): Promise<number> => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]);
    };
    const before = await memory();
    for (let turn = 0; turn < 400; turn += 1) await (await fetch(`${url}/payments/pay_none`)).text();
    grown[variant] = ((await memory()) - before) / 1_000_000;
  }
  assert.ok((grown["leaking"] ?? 0) > 80, JSON.stringify(grown));
  assert.ok((grown["good"] ?? 99) < 40, JSON.stringify(grown));
});

test("the exhausting release runs out of database connections, says so in its health, and a reset brings it back", async (t) => {
  const { url, adminSocket } = await startVariant(t, "exhausting", { env: { POOL_SIZE: "2" } });
  const read = (): Promise<Response> => fetch(`${url}/payments/pay_none`);
  for (let turn = 0; turn < 39; turn += 1) assert.equal((await read()).status, 404);
  assert.equal((await read()).status, 503);
  const health = await fetch(`${url}/health`);
  assert.equal(health.status, 503);
  assert.match(await health.text(), /no database connection came free within 1000 ms, all 2 are in use/);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^payments_db_connections 2$/m);
  const { body } = await admin(adminSocket, "POST", "/db/reset");
  assert.deepEqual([body["closed"], body["open"]], [2, 1]);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal((await read()).status, 404);
});
