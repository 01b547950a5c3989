/** The tables and columns that the core needs: the initial migration. */
const INITIAL = {
  payments: ["id", "idempotency_key", "amount", "currency", "status", "refunded", "authorisation", "created_at"],
  refunds: ["id", "payment_id", "amount", "created_at"],
  idempotency_keys: ["key", "request_digest", "status", "answer", "created_at"],
  outbox: ["id", "kind", "subject_id", "amount", "currency", "created_at", "claimed_by", "claimed_until", "settled_at"],
  settlements: ["outbox_id", "kind", "subject_id", "amount", "processor_reference", "settled_at"],
};

/**
 * What the database lacks for this release, as "payments.reference" or "table outbox"; empty when it fits. A schema
 * with more than is needed fits: that is what lets a migration run before the release that uses it.
 */
export function missingFromSchema(connection, extensions) {
  const missing = [];
  for (const needed of [INITIAL, ...extensions.map((extension) => extension.requires ?? {})]) {
    for (const [table, columns] of Object.entries(needed)) {
      const present = connection.all("SELECT name FROM pragma_table_info(?)", table).map((row) => row.name);
      if (present.length === 0) missing.push(`table ${table}`);
      else missing.push(...columns.filter((name) => !present.includes(name)).map((name) => `${table}.${name}`));
    }
  }
  return missing;
}
