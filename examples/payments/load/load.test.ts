import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import http from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { startService, startVariant, testDirectory } from "../testing/service.ts";
import { readLedger } from "./ledger.ts";
import { startLoad } from "./process.ts";
import type { LoadEvent } from "./protocol.ts";
import { reconcile } from "./reconcile.ts";

test("load on a healthy service: the asked rate, half of it POSTs, nothing failed, ledger and database agree", async (t) => {
  const service = await startVariant(t, "baseline");
  const ledgerFile = `${service.directory}/ledger.jsonl`;
  const events: LoadEvent[] = [];
  const load = await startLoad({ url: service.url, ledgerFile, maxRequests: 440, websockets: 1 }, (event) =>
    events.push(event),
  );
  const { sent, answered, failed, notSent, byKind, byVersion, seconds, acknowledged } = await load.ended;
  assert.deepEqual({ sent, answered, failed, notSent }, { sent: 440, answered: 440, failed: 0, notSent: 0 });
  assert.ok(seconds >= 1.8, `${seconds} s for 440 requests at 220 a second`);
  const posts = (byKind["create"] ?? 0) + (byKind["refund"] ?? 0);
  assert.ok(posts > 180 && posts < 280, JSON.stringify(byKind));
  assert.deepEqual([Object.keys(byVersion), byVersion["2.0.0"]?.requests], [["2.0.0"], 440]);
  assert.equal(events[0]?.event, "started");
  assert.ok(events.some((event) => event.event === "tick" && event.sent > 0));
  const compared = reconcile(ledgerFile, service.data);
  assert.equal(compared.acknowledged, acknowledged.payments);
  assert.ok(compared.acknowledged > 100);
  assert.deepEqual([compared.lost, compared.doubled, compared.unknown], [0, 0, 0]);
});

test("failures are counted once, attributed to their release, and not retried unless asked for", async (t) => {
  const service = await startVariant(t, "failing");
  const ledgerFile = `${service.directory}/ledger.jsonl`;
  const events: LoadEvent[] = [];
  const settings = { url: service.url, ledgerFile, maxRequests: 400, ratePerSecond: 400 };
  const { failed, retried, byVersion, byStatus } = await (
    await startLoad(settings, (event) => events.push(event))
  ).ended;
  assert.deepEqual([failed, retried, byStatus["500"], byVersion["2.2.0"]?.failed], [20, 0, 20, 20]);
  assert.ok(Date.parse(byVersion["2.2.0"]?.firstFailedAt ?? "") >= Date.parse(byVersion["2.2.0"]?.firstAt ?? ""));
  const first = events.filter((event) => event.event === "first-failure");
  assert.deepEqual(
    first.map(({ version, why }) => [version, why]),
    [["2.2.0", "500"]],
  );

  const again = { ...settings, ledgerFile: `${service.directory}/second.jsonl`, retries: 3, retryDelayMs: 1, seed: 2 };
  const second = await (await startLoad(again)).ended;
  assert.ok(second.retried > 0 && second.retriedOk > 0, JSON.stringify(second));
  assert.ok(second.failed >= 15, "a retry does not heal a failure");
  for (const file of [ledgerFile, again.ledgerFile]) {
    const { lost, doubled } = reconcile(file, service.data);
    assert.deepEqual([lost, doubled], [0, 0]);
  }
});

test("a service killed under load leaves unknown outcomes, and none of what was acknowledged is lost", async (t) => {
  const service = await startVariant(t, "baseline");
  const ledgerFile = `${service.directory}/ledger.jsonl`;
  const load = await startLoad({ url: service.url, ledgerFile, ratePerSecond: 400, retries: 20, retryDelayMs: 100 });
  while ((await load.summary()).acknowledged.payments < 100);
  service.child.kill("SIGKILL");
  await once(service.child, "exit");
  while ((await load.summary()).failed < 50);
  await startService(t, { ...service, runDir: service.directory, env: { PORT: String(service.port) } });
  const before = (await load.summary()).acknowledged.payments;
  while ((await load.summary()).acknowledged.payments < before + 100);
  const summary = await load.stop();
  assert.ok((summary.byVersion["none"]?.failed ?? 0) >= 50);
  assert.ok(summary.retriedOk > 0);
  const { lost, doubled, acknowledged } = reconcile(ledgerFile, service.data);
  assert.deepEqual([lost, doubled], [0, 0]);
  assert.equal(acknowledged, summary.acknowledged.payments);
});

test("a service that does not answer: requests time out, more than the limit are not sent, and stop waits for the rest", async (t) => {
  const silent = net.createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const ledgerFile = `${await testDirectory(t)}/ledger.jsonl`;
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const load = await startLoad({
    url,
    ledgerFile,
    ratePerSecond: 200,
    maxInFlight: 20,
    timeoutMs: 300,
    maxSeconds: 0.6,
  });
  const summary = await load.ended;
  assert.equal(summary.answered, 0);
  assert.equal(summary.failed, summary.sent);
  assert.equal(summary.byStatus["TIMEOUT"], summary.sent);
  assert.ok(summary.notSent > 0);
  assert.ok(readLedger(ledgerFile).every((entry) => entry.kind === "unknown"));
});

test("a stall of the service is seen by every request that was due in it", async (t) => {
  let stalled = true;
  const released = Promise.withResolvers<void>();
  const server = http.createServer((_request, response) => {
    const answer = (): void => void response.writeHead(503, { "x-app-version": "9.9.9" }).end("{}");
    if (stalled) waiting.push(answer);
    else answer();
  });
  const waiting: (() => void)[] = [];
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const ledgerFile = `${await testDirectory(t)}/ledger.jsonl`;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const load = await startLoad({ url, ledgerFile, ratePerSecond: 100, connections: 4 }, (event) => {
    if (event.event !== "tick" || !stalled) return;
    stalled = false;
    for (const answer of waiting) answer();
    released.resolve();
  });
  await released.promise;
  const { latencyMs, byVersion } = await load.stop();
  // Uniform over a stall of a second; a closed loop of four connections would have seen four slow requests.
  assert.ok(latencyMs.max > 700, JSON.stringify(latencyMs));
  assert.ok((byVersion["9.9.9"]?.slow ?? 0) > 20, JSON.stringify(byVersion));
});

test("the end of its stdin ends the generator, and wrong settings are said", async (t) => {
  await assert.rejects(startLoad({ url: "nowhere", ledgerFile: "/dev/null" }), /without a summary: Invalid URL/);
  const service = await startVariant(t, "baseline");
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, [`${import.meta.dirname}/main.ts`], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.write(`${JSON.stringify({ url: service.url, ledgerFile: `${service.directory}/l.jsonl` })}\n`);
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  await once(child.stdout, "data");
  child.stdin.end();
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.match(output.trim().split("\n").at(-1) ?? "", /"event":"summary"/);
});
