import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { memoryStore } from "../../operations/monitor/fake-world.ts";
import type { IntervalRow, IntervalStore } from "../../operations/monitor/ports.ts";
import { sqliteIntervalStore } from "./intervals.ts";

const stores: readonly [string, (t: TestContext) => IntervalStore][] = [
  ["memory", () => memoryStore()],
  ["SQLite", (t) => sqliteIntervalStore(open(t), "d-1")],
];

function open(t: TestContext): DatabaseSync {
  const dir = mkdtempSync(join(tmpdir(), "sunny-intervals-"));
  const db = new DatabaseSync(join(dir, "watch.db"));
  t.after(() => {
    if (db.isOpen) db.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return db;
}

const row = (start: number, requests: number): IntervalRow => {
  return { rule: "e", arm: "canary", start, ms: 1000, data: { kind: "counts", requests, bad: [1] } };
};

for (const [name, make] of stores) {
  test(`${name}: intervals come back in order of start, each once`, (t) => {
    const store = make(t);
    assert.deepEqual([store.load(), store.loadSamples(), store.records()], [[], null, []]);
    store.append([row(2000, 5)], { a: 1 });
    store.append([row(1000, 4)], { a: 2 });
    store.append([row(2000, 999)], { a: 3 });
    assert.deepEqual(store.load(), [row(1000, 4), row(2000, 5)]);
    assert.deepEqual(store.loadSamples(), { a: 3 });
  });

  test(`${name}: records come back in the order in which they were written`, (t) => {
    const store = make(t);
    const first = { at: 5, intervals: 0, kind: "settings", data: { digest: "x" } } as const;
    const second = { at: 3, intervals: 2, kind: "verdict", data: { verdict: "healthy" } } as const;
    store.record(first);
    store.record(second);
    assert.deepEqual(store.records(), [first, second]);
  });
}

test("SQLite: two deployments in one file do not see each other", (t) => {
  const db = open(t);
  const [one, two] = [sqliteIntervalStore(db, "d-1"), sqliteIntervalStore(db, "d-2")];
  one.append([row(1000, 1)], null);
  two.append([row(1000, 2)], null);
  assert.deepEqual(one.load(), [row(1000, 1)]);
  assert.deepEqual(two.load(), [row(1000, 2)]);
});

test("SQLite: an interval is kept as a whole or not at all", (t) => {
  const db = open(t);
  const store = sqliteIntervalStore(db, "d-1");
  store.append([row(1000, 1)], { kept: true });
  const broken = { ...row(2000, 1), ms: null as unknown as number };
  assert.throws(() =>
    store.append(
      [row(2000, 1), broken, row(3000, 1)].map((one, i) => ({ ...one, rule: `r${i}` })),
      { kept: false },
    ),
  );
  assert.deepEqual(store.load(), [row(1000, 1)]);
  assert.deepEqual(store.loadSamples(), { kept: true });
});
