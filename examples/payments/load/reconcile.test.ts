import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { migratedDatabase, testDirectory } from "../testing/service.ts";
import { Ledger, type LedgerEntry, readLedger } from "./ledger.ts";
import { reconcile } from "./reconcile.ts";

const app = `${import.meta.dirname}/../app`;
const at = "2026-01-01T00:00:00.000Z";
const version = "2.0.0";
const paid = (key: string, over: object = {}): LedgerEntry => ({
  kind: "payment",
  key,
  id: `pay_${key}`,
  amount: 500,
  currency: "EUR",
  at,
  version,
  ...over,
});
const refunded = (key: string, payment: string): LedgerEntry => ({
  kind: "refund",
  key,
  id: `ref_${key}`,
  payment: `pay_${payment}`,
  amount: 100,
  at,
  version,
});

/** Rows in the tables by hand; ids and keys as the helpers above make them. */
function insert(db: DatabaseSync, key: string, over: { id?: string; amount?: number; status?: string } = {}): void {
  const { id = `pay_${key}`, amount = 500, status = "settled" } = over;
  const sql =
    "INSERT INTO payments (id, idempotency_key, amount, currency, status, created_at) VALUES (?, ?, ?, 'EUR', ?, ?)";
  db.prepare(sql).run(id, key, amount, status, at);
}

function insertRefund(db: DatabaseSync, id: string, payment: string): void {
  db.prepare("INSERT INTO refunds (id, payment_id, amount, created_at) VALUES (?, ?, 100, ?)").run(id, payment, at);
}

function settle(db: DatabaseSync, kind: string, subject: string): void {
  const queue =
    "INSERT INTO outbox (kind, subject_id, amount, currency, created_at, settled_at) VALUES (?, ?, 500, 'EUR', ?, ?)";
  const { lastInsertRowid } = db.prepare(queue).run(kind, subject, at, at);
  db.prepare("INSERT INTO settlements VALUES (?, ?, ?, 500, 'x', ?)").run(lastInsertRowid, kind, subject, at);
}

const cases: {
  name: string;
  ledger: LedgerEntry[];
  plant: (db: DatabaseSync) => void;
  lost?: string[];
  doubled?: string[];
}[] = [
  {
    name: "all is well",
    ledger: [paid("a"), refunded("r", "a")],
    plant: (db) => (insert(db, "a"), insertRefund(db, "ref_r", "pay_a")),
  },
  {
    name: "an acknowledged payment is not there",
    ledger: [paid("a"), paid("b")],
    plant: (db) => insert(db, "a"),
    lost: ["b"],
  },
  {
    name: "an acknowledged payment has another amount",
    ledger: [paid("a")],
    plant: (db) => insert(db, "a", { amount: 501 }),
    lost: ["a"],
  },
  {
    name: "an acknowledged payment is declined",
    ledger: [paid("a")],
    plant: (db) => insert(db, "a", { status: "declined" }),
    lost: ["a"],
  },
  {
    name: "one key made two payments",
    ledger: [paid("a")],
    plant: (db) => (insert(db, "a"), insert(db, "a", { id: "pay_other" })),
    doubled: ["a"],
  },
  {
    name: "one key was answered with two payments",
    ledger: [paid("a"), paid("a", { id: "pay_other" })],
    plant: (db) => (insert(db, "a"), insert(db, "a", { id: "pay_other" })),
    doubled: ["a"],
  },
  {
    name: "a payment of unknown outcome was made twice",
    ledger: [{ kind: "unknown", key: "a", of: "payment", at }],
    plant: (db) => (insert(db, "a"), insert(db, "a", { id: "pay_other" })),
    doubled: ["a"],
  },
  {
    name: "a payment of unknown outcome was made once, or not",
    ledger: [
      { kind: "unknown", key: "a", of: "payment", at },
      { kind: "unknown", key: "b", of: "payment", at },
    ],
    plant: (db) => insert(db, "a"),
  },
  {
    name: "a payment was settled twice",
    ledger: [paid("a")],
    plant: (db) => (insert(db, "a"), settle(db, "capture", "pay_a"), settle(db, "capture", "pay_a")),
    doubled: ["a"],
  },
  {
    name: "a refund is not there",
    ledger: [paid("a"), refunded("r", "a")],
    plant: (db) => insert(db, "a"),
    lost: ["r"],
  },
  {
    name: "a refund was made twice",
    ledger: [paid("a"), refunded("r", "a")],
    plant: (db) => (insert(db, "a"), insertRefund(db, "ref_r", "pay_a"), insertRefund(db, "ref_s", "pay_a")),
    doubled: ["r"],
  },
  {
    name: "a refund was paid out twice",
    ledger: [paid("a"), refunded("r", "a")],
    plant: (db) => (
      insert(db, "a"),
      insertRefund(db, "ref_r", "pay_a"),
      settle(db, "refund", "ref_r"),
      settle(db, "refund", "ref_r")
    ),
    doubled: ["r"],
  },
];

for (const { name, ledger, plant, lost = [], doubled = [] } of cases) {
  test(`reconciliation: ${name}`, async (t) => {
    const file = await migratedDatabase(`${await testDirectory(t)}/payments.db`, app);
    const db = new DatabaseSync(file);
    plant(db);
    db.close();
    const found = reconcile(ledger, file);
    const keys = (kind: string): string[] =>
      found.discrepancies.filter((one) => one.kind === kind).map((one) => one.key);
    assert.deepEqual([keys("lost"), keys("doubled")], [lost, doubled], JSON.stringify(found.discrepancies));
    assert.deepEqual([found.lost, found.doubled], [lost.length, doubled.length]);
  });
}

test("a ledger survives its writer, is appended to by the next, and a torn last line is left out", async (t) => {
  const file = `${await testDirectory(t)}/ledger.jsonl`;
  for (const key of ["a", "b"]) {
    const ledger = new Ledger(file);
    ledger.add(paid(key));
    assert.deepEqual(ledger.get(key), paid(key));
    ledger.close();
  }
  appendFileSync(file, '{"kind":"payment","key":"c"');
  assert.deepEqual(readLedger(file), [paid("a"), paid("b")]);
});
