import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type LedgerEntry, readLedger } from "./ledger.ts";

/** One thing on which the customers' ledger and the service's database disagree. */
export interface Discrepancy {
  readonly kind: "lost" | "doubled";
  readonly key: string;
  readonly why: string;
}

/** What a comparison found. `lost` and `doubled` count payments and refunds together. */
export interface Reconciliation {
  /** Payments that were acknowledged. */
  readonly acknowledged: number;
  readonly refunds: number;
  /** POSTs without an answer, and how many of these payments were made all the same: either is right. */
  readonly unknown: number;
  readonly unknownDone: number;
  readonly lost: number;
  readonly doubled: number;
  /** The first hundred. */
  readonly discrepancies: readonly Discrepancy[];
}

interface PaymentRow {
  readonly id: string;
  readonly idempotency_key: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
}

/**
 * Compares a ledger with the database. Lost: acknowledged, but not there, or there with another amount or as declined.
 * Doubled: one key made two payments, one payment was settled twice, or refunded more often than was asked. The ledger
 * is read first, so that this holds while traffic flows.
 */
export function reconcile(ledger: string | readonly LedgerEntry[], database: string): Reconciliation {
  const entries = typeof ledger === "string" ? readLedger(ledger) : ledger;
  const url = pathToFileURL(database);
  url.searchParams.set("mode", "ro");
  const db = new DatabaseSync(url, { readOnly: true, timeout: 5_000 });
  try {
    db.exec("BEGIN");
    const found = [...comparePayments(entries, db), ...compareRefunds(entries, db)];
    const unknown = entries.filter((entry) => entry.kind === "unknown" && entry.of === "payment");
    const known = db.prepare("SELECT 1 FROM payments WHERE idempotency_key = ?");
    return {
      acknowledged: new Set(entries.filter((entry) => entry.kind === "payment").map((entry) => entry.key)).size,
      refunds: new Set(entries.filter((entry) => entry.kind === "refund").map((entry) => entry.key)).size,
      unknown: unknown.length,
      unknownDone: unknown.filter((entry) => known.get(entry.key) !== undefined).length,
      lost: found.filter((one) => one.kind === "lost").length,
      doubled: found.filter((one) => one.kind === "doubled").length,
      discrepancies: found.slice(0, 100),
    };
  } finally {
    db.close();
  }
}

function comparePayments(entries: readonly LedgerEntry[], db: DatabaseSync): Discrepancy[] {
  const rows = Map.groupBy(
    db.prepare("SELECT id, idempotency_key, amount, currency, status FROM payments").iterate() as Iterable<PaymentRow>,
    (row) => row.idempotency_key,
  );
  const captured = settledTwice(db, "capture");
  const found: Discrepancy[] = [];
  const judged = new Set<string>();
  for (const entry of entries) {
    if (entry.kind === "refund" || (entry.kind === "unknown" && entry.of === "refund")) continue;
    const made = (rows.get(entry.key) ?? []).filter((row) => row.status !== "declined");
    if (entry.kind === "payment") {
      const row = made.find((one) => one.id === entry.id);
      const why = row === undefined ? `no payment ${entry.id}` : difference(entry, row);
      if (why !== undefined) found.push({ kind: "lost", key: entry.key, why });
    }
    if (judged.has(entry.key)) continue;
    judged.add(entry.key);
    if (made.length > 1) {
      found.push({
        kind: "doubled",
        key: entry.key,
        why: `${made.length} payments: ${made.map((row) => row.id).join(", ")}`,
      });
    }
    const twice = made.find((row) => captured.has(row.id));
    if (twice !== undefined)
      found.push({ kind: "doubled", key: entry.key, why: `${twice.id} was settled more than once` });
  }
  return found;
}

function difference(entry: LedgerEntry & { kind: "payment" }, row: PaymentRow): string | undefined {
  if (row.amount === entry.amount && row.currency === entry.currency) return undefined;
  return `acknowledged ${entry.amount} ${entry.currency}, stored ${row.amount} ${row.currency}`;
}

function compareRefunds(entries: readonly LedgerEntry[], db: DatabaseSync): Discrepancy[] {
  const asked = new Map<string, Set<string>>();
  for (const entry of entries) {
    const payment = entry.kind === "refund" ? entry.payment : entry.kind === "unknown" ? entry.payment : undefined;
    if (payment !== undefined) asked.set(payment, (asked.get(payment) ?? new Set()).add(entry.key));
  }
  const twice = settledTwice(db, "refund");
  const one = db.prepare("SELECT amount FROM refunds WHERE id = ? AND payment_id = ?");
  const count = db.prepare("SELECT count(*) AS count FROM refunds WHERE payment_id = ?");
  const found: Discrepancy[] = [];
  for (const entry of entries) {
    if (entry.kind !== "refund") continue;
    const { key } = entry;
    const row = one.get(entry.id, entry.payment);
    if (row === undefined) found.push({ kind: "lost", key, why: `no refund ${entry.id}` });
    else if (row["amount"] !== entry.amount) {
      found.push({ kind: "lost", key, why: `acknowledged ${entry.amount}, stored ${String(row["amount"])}` });
    }
    if (twice.has(entry.id)) found.push({ kind: "doubled", key, why: `${entry.id} was settled more than once` });
  }
  for (const [payment, keys] of asked) {
    const made = Number(count.get(payment)?.["count"]);
    if (made > keys.size) {
      const key = [...keys][0] ?? payment;
      found.push({ kind: "doubled", key, why: `${made} refunds of ${payment}, asked for ${keys.size}` });
    }
  }
  return found;
}

/** Subjects with more than one settlement of `kind`. */
function settledTwice(db: DatabaseSync, kind: "capture" | "refund"): Set<string> {
  const sql = "SELECT subject_id FROM settlements WHERE kind = ? GROUP BY subject_id HAVING count(*) > 1";
  return new Set(
    db
      .prepare(sql)
      .all(kind)
      .map((row) => String(row["subject_id"])),
  );
}
