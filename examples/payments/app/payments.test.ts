import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import {
  countPayments,
  migratedDatabase,
  payment,
  postPayment,
  startService,
  startVariant,
  testDirectory,
} from "../testing/service.ts";
import { stageRelease } from "../releases/stage.ts";

type Body = Record<string, unknown> & { error: { code: string; field?: string } };
const read = async (response: Response): Promise<Body> => (await response.json()) as Body;

test("a payment is created, read, settled in the background and refunded", async (t) => {
  const { url } = await startVariant(t, "baseline");
  const created = await postPayment(url, "order-0001");
  assert.equal(created.status, 201);
  assert.equal(created.headers.get("x-app-version"), "2.0.0");
  const body = await read(created);
  assert.equal(body["amount"], 1250);
  assert.equal(body["status"], "authorised");

  let seen: Body = body;
  while (seen["status"] === "authorised") seen = await read(await fetch(`${url}/payments/${body["id"]}`));
  assert.equal(seen["status"], "settled");

  const refund = (key: string, ask: object): Promise<Response> =>
    fetch(`${url}/payments/${body["id"]}/refunds`, {
      method: "POST",
      headers: { "idempotency-key": key, "content-type": "application/json" },
      body: JSON.stringify(ask),
    });
  const first = await refund("refund-0001", { amount: 250 });
  assert.equal(first.status, 201);
  assert.deepEqual(await read(await refund("refund-0001", { amount: 250 })), await read(first));
  assert.equal((await refund("refund-0002", { amount: 1001 })).status, 422);
  assert.equal((await read(await refund("refund-0003", {})))["amount"], 1000);
  assert.equal((await read(await fetch(`${url}/payments/${body["id"]}`)))["status"], "refunded");
});

test("the same key gives the same answer, and another body under it is refused", async (t) => {
  const { url, data } = await startVariant(t, "baseline");
  const first = await postPayment(url, "order-0001");
  const again = await postPayment(url, "order-0001");
  assert.equal(again.status, 201);
  assert.equal(again.headers.get("idempotent-replayed"), "true");
  assert.deepEqual(await read(again), await read(first));
  const other = await postPayment(url, "order-0001", payment({ amount: 99 }));
  assert.equal(other.status, 422);
  assert.equal((await read(other)).error.code, "idempotency_key_reused");
  assert.equal(countPayments(data), 1);
});

test("twenty concurrent requests with one key on two processes make one payment", async (t) => {
  const directory = await testDirectory(t);
  await stageRelease("baseline", `${directory}/release`);
  const data = await migratedDatabase(`${directory}/payments.db`, `${directory}/release`);
  const start = (host: string): ReturnType<typeof startService> =>
    startService(t, { releaseDir: `${directory}/release`, data, runDir: directory, host, env: { RUN_DIR: "" } });
  const [a, b] = await Promise.all([start("web-1"), start("web-2")]);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => postPayment(index % 2 === 0 ? a.url : b.url, "order-0001")),
  );
  const ids = await Promise.all(answers.map(async (answer) => (await read(answer))["id"]));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [201]);
  assert.equal(new Set(ids).size, 1);
  assert.equal(countPayments(data), 1);
});

test("what is wrong with a request is said, by code and member", async (t) => {
  const { url, data } = await startVariant(t, "baseline");
  const cases: [string, object | string, number, string, string?][] = [
    ["amount is not a whole number", payment({ amount: 12.5 }), 400, "field_invalid", "amount"],
    ["amount is text", payment({ amount: "1250" }), 400, "field_invalid", "amount"],
    ["amount is zero", payment({ amount: 0 }), 400, "field_invalid", "amount"],
    ["currency is unknown", payment({ currency: "eur" }), 400, "field_invalid", "currency"],
    ["token is missing", { amount: 1, currency: "EUR" }, 400, "field_missing", "card_token"],
    ["a card number instead of a token", payment({ card_token: "4111111111111111" }), 400, "card_number_refused"],
    ["a card number in another member", payment({ note: "4111 1111 1111 1111" }), 400, "card_number_refused"],
    ["an unknown member", payment({ colour: "red" }), 400, "field_unknown"],
    [
      "a member of the prototype",
      '{"amount":1,"currency":"EUR","card_token":"tok_a","constructor":1}',
      400,
      "field_unknown",
    ],
    ["a list", [], 400, "body_invalid"],
    ["not JSON", "{", 400, "body_not_json"],
    ["a declined card", payment({ card_token: "tok_declined" }), 402, "card_declined"],
    ["a processor out of reach", payment({ card_token: "tok_unavailable" }), 503, "unavailable"],
  ];
  for (const [name, body, status, code, field] of cases) {
    await t.test(name, async () => {
      const headers = { "content-type": "application/json", "idempotency-key": randomUUID() };
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await fetch(`${url}/payments`, { method: "POST", headers, body: text });
      const { error } = await read(answer);
      assert.deepEqual([answer.status, error.code, error.field], [status, code, field]);
    });
  }
  assert.equal(countPayments(data), 0);

  const post = (headers: Record<string, string>, body: string): Promise<Response> =>
    fetch(`${url}/payments`, { method: "POST", headers, body });
  assert.equal((await read(await post({}, "{}"))).error.code, "content_type_unsupported");
  assert.equal(
    (await read(await post({ "content-type": "application/json" }, "{}"))).error.code,
    "idempotency_key_missing",
  );
  const large = await post(
    { "content-type": "application/json", "idempotency-key": "order-0009" },
    "x".repeat(200_000),
  );
  assert.equal(large.status, 413);
  assert.equal((await fetch(`${url}/payments/pay_none`)).status, 404);
  assert.equal((await fetch(`${url}/payments`, { method: "DELETE" })).headers.get("allow"), "POST");
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
});

test("no card data reaches the log or the database", async (t) => {
  const { url, log, data, stop } = await startVariant(t, "good");
  const number = "4111111111111111";
  await postPayment(url, "order-0001", payment({ card_token: number }));
  await postPayment(url, "order-0002", payment({ reference: number }));
  await postPayment(url, number);
  await fetch(`${url}/payments/${number}`);
  await postPayment(url, "order-0003", payment({ card_token: "tok_visa_4242" }));
  assert.equal(await stop(), 0);
  const written = JSON.stringify(log) + dump(data);
  assert.equal(written.includes(number), false);
  assert.equal(written.includes("tok_visa_4242"), false);
  assert.equal(
    log.filter((line) => line.event === "request").every((line) => typeof line["requestId"] === "string"),
    true,
  );
});

test("kill -9 under load loses no acknowledged payment, and the queue is settled once by the next process", async (t) => {
  const first = await startVariant(t, "baseline");
  const acknowledged: string[] = [];
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let turn = 0; ; turn += 1) {
      const answer = await postPayment(first.url, `order-${client}-${turn}-x`).catch(() => undefined);
      if (answer?.status !== 201) return;
      const body = await read(answer).catch(() => undefined);
      if (body === undefined) return;
      acknowledged.push(String(body["id"]));
      if (acknowledged.length === 200) first.child.kill("SIGKILL");
    }
  });
  await Promise.all([...clients, once(first.child, "exit")]);
  assert.ok(acknowledged.length >= 200);

  // The dead process's claims run out after their time; here they are made to, so that the test need not wait.
  const db = new DatabaseSync(first.data);
  db.exec("UPDATE outbox SET claimed_until = 0 WHERE settled_at IS NULL");
  db.close();
  const second = await startService(t, { releaseDir: first.releaseDir, data: first.data, runDir: first.directory });
  const present = await Promise.all(acknowledged.map((id) => fetch(`${second.url}/payments/${id}`)));
  assert.deepEqual([...new Set(present.map((answer) => answer.status))], [200]);
  for (;;) {
    const { queue } = (await read(await fetch(`${second.url}/status`))) as unknown as { queue: { length: number } };
    if (queue.length === 0) break;
  }
  assert.equal(await second.stop(), 0);
  const after = new DatabaseSync(first.data, { readOnly: true });
  const counts = after
    .prepare(
      `SELECT (SELECT count(*) FROM payments) AS payments, (SELECT count(*) FROM settlements) AS settlements,
            (SELECT count(DISTINCT subject_id) FROM settlements) AS subjects`,
    )
    .get() as { payments: number; settlements: number; subjects: number };
  after.close();
  assert.equal(counts.settlements, counts.payments);
  assert.equal(counts.subjects, counts.payments);
});

function dump(file: string): string {
  const db = new DatabaseSync(file, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[];
  const text = tables.map(({ name }) => JSON.stringify(db.prepare(`SELECT * FROM "${name}"`).all())).join("\n");
  db.close();
  return text;
}
