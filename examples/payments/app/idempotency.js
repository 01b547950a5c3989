import { createHash } from "node:crypto";
import { ApiError } from "./errors.js";

/** Digest of what was asked for: the same for bodies that differ in the order of their members only. */
export function digestOfRequest(route, body) {
  const members = Object.entries(body).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([route, members]))
    .digest("hex");
}

/**
 * The answer that was given for `key`, or undefined. Throws 422 when the key was used for something else: answering
 * that with the old result would hide a defect of the caller.
 */
export function findAnswer(connection, key, digest) {
  const row = connection.get("SELECT request_digest, status, answer FROM idempotency_keys WHERE key = ?", key);
  if (row === undefined) return undefined;
  if (row.request_digest !== digest) {
    throw new ApiError(422, "idempotency_key_reused", "This Idempotency-Key was used for a different request.");
  }
  return { status: row.status, body: JSON.parse(row.answer), headers: { "idempotent-replayed": "true" } };
}

/** Keeps an answer; inside the transaction that does what the answer says. */
export function keepAnswer(connection, key, digest, answer) {
  connection.run(
    "INSERT INTO idempotency_keys (key, request_digest, status, answer, created_at) VALUES (?, ?, ?, ?, ?)",
    key,
    digest,
    answer.status,
    JSON.stringify(answer.body),
    new Date().toISOString(),
  );
}
