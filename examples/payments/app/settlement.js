import { setTimeout as delay } from "node:timers/promises";

/** How long a claimed item belongs to the process that claimed it; a crashed one's items are taken over after that. */
const CLAIM_MS = 30_000;
/** Items of one round: bounds how long a stop waits and how long a write transaction lasts. */
const BATCH = 100;
/** Pause between rounds that found nothing more to do. */
const PAUSE_MS = 250;

/**
 * The worker that settles what is in the outbox, in the background. All processes share the queue: an item is claimed in
 * one transaction, settled with the processor, and recorded in a second. After a crash in between it is settled again
 * under the same id, for which the processor gives the same reference, and `settlements` holds it once.
 */
export function createSettlement({ pool, processor, owner, log, pauseMs = PAUSE_MS }) {
  const stopping = new AbortController();
  let running = Promise.resolve();

  async function round() {
    const items = await pool.use((connection) => connection.transaction(() => claim(connection, owner)));
    if (items.length === 0) return 0;
    const references = await processor.settle(items);
    await pool.use((connection) => connection.transaction(() => record(connection, items, references)));
    return items.length;
  }

  async function loop() {
    while (!stopping.signal.aborted) {
      let settled = 0;
      try {
        settled = await round();
      } catch (error) {
        log.warn("settlement-failed", { reason: error.message });
      }
      if (settled < BATCH) await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  return {
    start() {
      running = loop();
    },
    /** Lets the round that is under way end; what it did not reach stays in the outbox for the other processes. */
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** How many items wait, and since when the oldest does (RFC 3339, null for none). */
export function queueState(connection) {
  const sql = "SELECT count(*) AS length, min(created_at) AS oldest FROM outbox WHERE settled_at IS NULL";
  return { ...connection.get(sql) };
}

function claim(connection, owner) {
  const now = Date.now();
  return connection.all(
    `UPDATE outbox SET claimed_by = ?, claimed_until = ?
     WHERE id IN (SELECT id FROM outbox WHERE settled_at IS NULL AND claimed_until < ? ORDER BY id LIMIT ${BATCH})
     RETURNING id, kind, subject_id, amount`,
    owner,
    now + CLAIM_MS,
    now,
  );
}

function record(connection, items, references) {
  const at = new Date().toISOString();
  for (const [index, item] of items.entries()) {
    const { changes } = connection.run(
      `INSERT INTO settlements (outbox_id, kind, subject_id, amount, processor_reference, settled_at)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (outbox_id) DO NOTHING`,
      item.id,
      item.kind,
      item.subject_id,
      item.amount,
      references[index],
      at,
    );
    if (Number(changes) === 0) continue;
    connection.run("UPDATE outbox SET settled_at = ? WHERE id = ?", at, item.id);
    if (item.kind === "capture") {
      const sql = "UPDATE payments SET status = 'settled' WHERE id = ? AND status = 'authorised'";
      connection.run(sql, item.subject_id);
    }
  }
}
