import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import test from "node:test";
import { countPayments, exitOf, postPayment, startVariant } from "../testing/service.ts";

test("SIGTERM finishes what is in flight for keep-alive clients, closes idle connections and exits 0", async (t) => {
  const { url, port, child, logged } = await startVariant(t, "baseline");
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await get(agent, `${url}/health`);
  const neverUsed = net.connect(port, "127.0.0.1");
  await once(neverUsed, "connect");
  const idle = once(neverUsed, "close");

  const slow = get(agent, `${url}/reports/slow?seconds=2`);
  await inFlight(url);
  child.kill("SIGTERM");
  await logged("stopping");
  assert.equal(await Promise.race([idle.then(() => "idle"), slow.then(() => "slow")]), "idle");
  const answer = await slow;
  assert.equal(answer.status, 200);
  assert.equal(answer.connection, "close");
  assert.equal(await exitOf(child), 0);
  assert.equal((await logged("stopped"))["signal"], "SIGTERM");
});

test("a request that reaches an idle keep-alive connection just after SIGTERM is still answered", async (t) => {
  const { url, child, logged } = await startVariant(t, "baseline", { env: { LINGER_MS: "2000" } });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  await get(agent, `${url}/status`);
  child.kill("SIGTERM");
  await logged("stopping");
  const answer = await get(agent, `${url}/health`);
  assert.deepEqual([answer.status, answer.connection], [503, "close"]);
  assert.match(answer.text, /"reasons":\["process: stopping"\]/);
  assert.equal(await exitOf(child), 0);
});

test("new connections are refused as soon as the service stops", async (t) => {
  const { url, child, logged } = await startVariant(t, "baseline");
  const slow = get(new http.Agent(), `${url}/reports/slow?seconds=0.5`);
  await inFlight(url);
  child.kill("SIGTERM");
  await logged("stopping");
  await assert.rejects(fetch(`${url}/health`));
  assert.equal((await slow).status, 200);
});

test("a stop under load cuts no payment that was taken up: as many are stored as were acknowledged", async (t) => {
  const { url, child, data } = await startVariant(t, "baseline");
  let acknowledged = 0;
  const clients = Array.from({ length: 10 }, async (_, client) => {
    for (let turn = 0; ; turn += 1) {
      // Ends with the first refused connection; one that was never accepted is reset by the kernel.
      const status = await post(url, `order-${client}-${turn}-x`).catch(() => undefined);
      if (status === undefined) return;
      assert.equal(status, 201);
      acknowledged += 1;
      if (acknowledged === 100) child.kill("SIGTERM");
    }
  });
  await Promise.all(clients);
  assert.equal(await exitOf(child), 0);
  assert.ok(acknowledged >= 100);
  assert.equal(countPayments(data), acknowledged);
});

test("a second signal ends the service at once", async (t) => {
  const { url, child, logged } = await startVariant(t, "baseline");
  const slow = get(new http.Agent(), `${url}/reports/slow?seconds=30`).catch((error: Error) => error);
  await inFlight(url);
  child.kill("SIGTERM");
  await logged("stopping");
  child.kill("SIGTERM");
  assert.equal(await exitOf(child), 130);
  assert.ok((await slow) instanceof Error);
});

test("a stop that takes longer than its limit is ended and says what was still in flight", async (t) => {
  const { url, child, logged } = await startVariant(t, "baseline", { env: { STOP_TIMEOUT_MS: "300" } });
  get(new http.Agent(), `${url}/reports/slow?seconds=30`).catch(() => {});
  await inFlight(url);
  child.kill("SIGTERM");
  assert.equal((await logged("stop-timed-out"))["inFlight"], 1);
  assert.equal(await exitOf(child), 1);
});

test("a websocket echoes, and is told goodbye when the service stops", async (t) => {
  const { port, child } = await startVariant(t, "baseline");
  const socket = new WebSocket(`ws://127.0.0.1:${port}/events`);
  const next = async (): Promise<string> => String(((await once(socket, "message")) as [MessageEvent])[0].data);
  assert.match(await next(), /"event":"hello","version":"2.0.0"/);
  const long = "é".repeat(2_000);
  socket.send(long);
  assert.equal(await next(), long);
  const closed = once(socket, "close") as Promise<[CloseEvent]>;
  child.kill("SIGTERM");
  assert.equal((await closed)[0].code, 1001);
  assert.equal(await exitOf(child), 0);
});

test("a payment that is answered while the service stops is stored", async (t) => {
  const { url, child, logged, data } = await startVariant(t, "baseline", { env: { LINGER_MS: "2000" } });
  await postPayment(url, "order-0001");
  child.kill("SIGTERM");
  await logged("stopping");
  const answer = await postPayment(url, "order-0002");
  assert.equal(answer.status, 201);
  assert.equal(await exitOf(child), 0);
  assert.equal(countPayments(data), 2);
});

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly text: string;
}

async function get(agent: http.Agent, url: string): Promise<Answer> {
  const request = http.get(url, { agent });
  const [message] = (await once(request, "response")) as [http.IncomingMessage];
  let text = "";
  for await (const chunk of message) text += String(chunk);
  return { status: message.statusCode, connection: message.headers.connection, text };
}

async function post(url: string, key: string): Promise<number | undefined> {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  const request = http.request(`${url}/payments`, { method: "POST", headers, agent: false });
  request.end(JSON.stringify({ amount: 100, currency: "EUR", card_token: "tok_visa" }));
  const [message] = (await once(request, "response")) as [http.IncomingMessage];
  message.resume();
  await once(message, "end");
  return message.statusCode;
}

/** Returns when the service has taken up the slow report: requests of one process are begun in order. */
async function inFlight(url: string): Promise<void> {
  await (await fetch(`${url}/health`, { headers: { connection: "close" } })).text();
}
