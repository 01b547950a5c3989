import assert from "node:assert/strict";
import http, { type RequestListener } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import { failureOf, named, runOperation, scratch, testSystem } from "../../operations/checks/testing/fixtures.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { httpOperations } from "../../operations/http/operations.ts";
import type { System } from "../../system/schema.ts";
import { certificateWorld } from "../local-ca/testing.ts";
import { httpClient } from "./client.ts";

const check = named(httpOperations({ http: httpClient(systemClock) }), "http-check");

/** A server behind https://api.sunnypayments.com, reached by configuration only. */
async function served(
  t: TestContext,
  answer: RequestListener,
  options: { days?: number; names?: string[] } = {},
): Promise<{ system: System; seen: http.IncomingMessage[] }> {
  const root = scratch(t);
  const { spec, caFile, issue } = await certificateWorld(root);
  await issue(options);
  const seen: http.IncomingMessage[] = [];
  const server = https.createServer(
    { cert: readFileSync(spec.certFile), key: readFileSync(spec.keyFile) },
    (request, response) => {
      seen.push(request);
      answer(request, response);
    },
  );
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const connect = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { system: testSystem(root, { endpoints: { "https://api.sunnypayments.com": { connect, caFile } } }), seen };
}

const HEALTH = "https://api.sunnypayments.com/health";

test("a good answer is kept with status and time, and the name in the handshake is that of the address", async (t) => {
  const { system, seen } = await served(t, (_request, response) => response.end('{"status":"ok"}'));
  const context = new DirectContext(systemClock);
  const report = await runOperation(check, { system, args: { url: HEALTH }, context });
  assert.match(report.summary, /^GET https:\/\/api\.sunnypayments\.com\/health answers 200 in \d+ ms$/);
  assert.equal((report.data as { status: number }).status, 200);
  assert.equal(seen[0]?.headers.host, "api.sunnypayments.com");
  assert.match(context.output.join(""), /"status":"ok"/);
});

test("by hand the address stands behind the name", () => {
  const parsed = check.args.parse({ _: [HEALTH] });
  assert.equal((parsed as { url: string }).url, HEALTH);
  assert.deepEqual(check.args.parse(parsed), parsed, "what was read once reads the same again");
  for (const wrong of [
    { _: [] },
    { _: ["no address"] },
    { _: [HEALTH], url: "https://other.example/" },
    { _: [HEALTH, HEALTH] },
  ]) {
    assert.equal(check.args.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});

test("an error status fails with the reason in the answer, card numbers out", async (t) => {
  const { system } = await served(t, (_request, response) =>
    response.writeHead(503).end('{"reasons":["database: locked"], "card": "4242 4242 4242 4242"}'),
  );
  const failure = await failureOf(check, { system, args: { url: HEALTH } });
  assert.equal(failure.code, "CHECK_FAILED");
  assert.match(
    failure.message,
    /GET .*\/health: answers 503 in \d+ ms: \{"reasons":\["database: locked"\], "card": "\[card number\]"\}/,
  );
});

const bad: [string, { days?: number; names?: string[] }, RegExp][] = [
  ["an expired certificate", { days: -1 }, /certificate has expired/],
  ["a certificate for another name", { names: ["other.test"] }, /Hostname\/IP does not match certificate's altnames/],
];
for (const [what, options, message] of bad) {
  test(`${what} fails`, async (t) => {
    const { system } = await served(t, (_request, response) => response.end("ok"), options);
    const failure = await failureOf(check, { system, args: { url: HEALTH } });
    assert.equal(failure.code, "HTTP_UNREACHABLE");
    assert.match(failure.message, message);
  });
}

test("a certificate of an authority that is not the configured one fails", async (t) => {
  const { system } = await served(t, (_request, response) => response.end("ok"));
  const other = await certificateWorld(scratch(t));
  const endpoint = system.endpoints["https://api.sunnypayments.com"];
  const endpoints = { "https://api.sunnypayments.com": { connect: endpoint?.connect ?? "", caFile: other.caFile } };
  const failure = await failureOf(check, { system: { ...system, endpoints }, args: { url: HEALTH } });
  assert.match(failure.message, /unable to verify|self-signed|local issuer|signature/);
});

test("a server that hangs fails within the limit, and one that is not there at once", async (t) => {
  const { system } = await served(t, () => {});
  const late = await failureOf(check, { system, args: { url: HEALTH, timeoutMs: 100 } });
  assert.match(late.message, /gave no answer: no answer within 100 ms/);
  const endpoints = { "https://api.sunnypayments.com": { connect: "127.0.0.1:1" } };
  const gone = await failureOf(check, { system: { ...system, endpoints }, args: { url: HEALTH } });
  assert.match(gone.message, /\(127\.0\.0\.1:1\) gave no answer: connect ECONNREFUSED/);
});

test("redirects are reported and not followed, unless that is asked for", async (t) => {
  const { system, seen } = await served(t, (request, response) => {
    if (request.url === "/new") return response.end("here");
    return response.writeHead(302, { location: "/new" }).end();
  });
  const report = await runOperation(check, { system, args: { url: HEALTH } });
  assert.match(report.findings?.[0]?.message ?? "", /answers 302 in .*, redirects to \/new, not followed/);
  const followed = await runOperation(check, { system, args: { url: HEALTH, followRedirects: true } });
  assert.equal((followed.data as { url: string }).url, "https://api.sunnypayments.com/new");
  assert.equal(seen.length, 3);
});

test("a circle of redirects ends, and credentials do not follow to another origin", async (t) => {
  const { system, seen } = await served(t, (_request, response) => response.writeHead(301, { location: HEALTH }).end());
  const circle = await failureOf(check, { system, args: { url: HEALTH, followRedirects: true } });
  assert.match(circle.message, /redirects more than 10 times/);
  assert.equal(seen.length, 11);
  const received: http.IncomingHttpHeaders[] = [];
  const other = http.createServer((request, response) => {
    received.push(request.headers);
    response.end("ok");
  });
  await new Promise<void>((resolve) => void other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
  const away = await served(t, (_request, response) => response.writeHead(307, { location }).end());
  const args = { url: HEALTH, followRedirects: true, headers: { authorization: "Bearer x", accept: "text/plain" } };
  await runOperation(check, { system: away.system, args });
  assert.equal(received[0]?.authorization, undefined);
  assert.equal(received[0]?.accept, "text/plain");
});

test("--retry tries again after a passing error, and not after a lasting one", async (t) => {
  let left = 2;
  const { system, seen } = await served(t, (request, response) =>
    response.writeHead(request.url === "/gone" ? 404 : left-- > 0 ? 503 : 200).end(),
  );
  await runOperation(check, { system, args: { url: HEALTH, retries: 2 } });
  assert.equal(seen.length, 3);
  await failureOf(check, { system, args: { url: `${new URL(HEALTH).origin}/gone`, retries: 2 } });
  assert.equal(seen.length, 4);
});

test("a request that changes something is sent once, whatever the answer", async (t) => {
  const { system, seen } = await served(t, (_request, response) => response.writeHead(503).end());
  await failureOf(check, { system, args: { url: HEALTH, method: "POST", body: "{}", retries: 3 } });
  assert.equal(seen.length, 1);
});

test("an answer of any size is read to its end, and only its beginning kept", async (t) => {
  const { system } = await served(t, (_request, response) => response.end("x".repeat(2_000_000)));
  const answer = await httpClient(systemClock).request({
    url: HEALTH,
    method: "GET",
    headers: {},
    timeoutMs: 5_000,
    ...system.endpoints["https://api.sunnypayments.com"],
  } as Parameters<ReturnType<typeof httpClient>["request"]>[0]);
  assert.equal(answer.body.length, 65_536);
});
