import { randomBytes } from "node:crypto";
import { ApiError, errorBody } from "./errors.js";
import { digestOfRequest, findAnswer, keepAnswer } from "./idempotency.js";
import { readKey, readPayment, readRefund } from "./validate.js";

/**
 * Creating, reading and refunding payments. Each returns an answer `{ status, body, headers? }` or throws an `ApiError`.
 * What is acknowledged is committed: the payment, its place in the settlement queue and the answer kept for its key are
 * one transaction, synchronous on disk, before the caller hears of it.
 */
export function createPayments({ pool, processor, extensions = [] }) {
  const fields = Object.assign({}, ...extensions.map((extension) => extension.fields ?? {}));
  const present = (connection, payment) =>
    Object.assign({ ...payment }, ...extensions.map((extension) => extension.present?.(connection, payment) ?? {}));

  /**
   * The processor is asked before the transaction and outside of it: it knows the key, so two processes that are asked
   * at once get one authorisation, and whichever commits first decides the answer of both.
   */
  async function create(keyHeader, body) {
    const key = readKey(keyHeader);
    readPayment(body, fields);
    const digest = digestOfRequest("POST /payments", body);
    const kept = await pool.use((connection) => findAnswer(connection, key, digest));
    if (kept !== undefined) return kept;
    const authorisation = await processor.authorise({ key, token: body.card_token });
    return pool.use((connection) =>
      connection.transaction(() => {
        const meanwhile = findAnswer(connection, key, digest);
        if (meanwhile !== undefined) return meanwhile;
        const payment = insertPayment(connection, key, body, authorisation);
        for (const extension of extensions) extension.onCreate?.(connection, payment, body);
        const answer = authorisation.approved
          ? { status: 201, body: present(connection, payment) }
          : { status: 402, body: { ...errorBody(declined(authorisation)), payment: present(connection, payment) } };
        keepAnswer(connection, key, digest, answer);
        return answer;
      }),
    );
  }

  async function read(id) {
    return pool.use((connection) => {
      const payment = findPayment(connection, id);
      return { status: 200, body: present(connection, payment) };
    });
  }

  async function refund(keyHeader, id, body) {
    const key = readKey(keyHeader);
    readRefund(body);
    const digest = digestOfRequest(`POST /payments/${id}/refunds`, body);
    return pool.use((connection) =>
      connection.transaction(() => {
        const kept = findAnswer(connection, key, digest);
        if (kept !== undefined) return kept;
        const answer = { status: 201, body: insertRefund(connection, findPayment(connection, id), body.amount) };
        keepAnswer(connection, key, digest, answer);
        return answer;
      }),
    );
  }

  return { create, read, refund };
}

function insertPayment(connection, key, { amount, currency }, authorisation) {
  const payment = {
    id: newId("pay"),
    amount,
    currency,
    status: authorisation.approved ? "authorised" : "declined",
    refunded: 0,
    created_at: new Date().toISOString(),
  };
  connection.run(
    `INSERT INTO payments (id, idempotency_key, amount, currency, status, authorisation, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    payment.id,
    key,
    amount,
    currency,
    payment.status,
    authorisation.reference ?? null,
    payment.created_at,
  );
  if (authorisation.approved) enqueue(connection, "capture", payment.id, payment);
  return payment;
}

function insertRefund(connection, payment, asked) {
  if (payment.status === "declined")
    throw new ApiError(409, "payment_declined", "A declined payment cannot be refunded.");
  const left = payment.amount - payment.refunded;
  const amount = asked ?? left;
  if (left === 0 || amount > left) {
    throw new ApiError(422, "refund_too_large", `${left} ${payment.currency} are left to refund.`, { field: "amount" });
  }
  const refund = { id: newId("ref"), payment_id: payment.id, amount, created_at: new Date().toISOString() };
  connection.run(
    "INSERT INTO refunds (id, payment_id, amount, created_at) VALUES (?, ?, ?, ?)",
    refund.id,
    payment.id,
    amount,
    refund.created_at,
  );
  const status = amount === left ? "refunded" : payment.status;
  connection.run("UPDATE payments SET refunded = refunded + ?, status = ? WHERE id = ?", amount, status, payment.id);
  enqueue(connection, "refund", refund.id, { ...refund, currency: payment.currency });
  return { ...refund, currency: payment.currency };
}

function findPayment(connection, id) {
  const sql = "SELECT id, amount, currency, status, refunded, created_at FROM payments WHERE id = ?";
  const payment = connection.get(sql, id);
  if (payment === undefined) throw new ApiError(404, "payment_unknown", "No payment has this id.");
  return payment;
}

function enqueue(connection, kind, subject, { amount, currency, created_at: at }) {
  connection.run(
    "INSERT INTO outbox (kind, subject_id, amount, currency, created_at) VALUES (?, ?, ?, ?, ?)",
    kind,
    subject,
    amount,
    currency,
    at,
  );
}

function declined({ reason }) {
  return { code: "card_declined", message: `The card was not accepted: ${reason}.` };
}

/** Begins with the time, so that new rows go to the end of the index; 80 random bits make it unguessable. */
function newId(prefix) {
  return `${prefix}_${Date.now().toString(16).padStart(12, "0")}${randomBytes(10).toString("hex")}`;
}
