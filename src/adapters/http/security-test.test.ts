import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import http, { type RequestListener } from "node:http";
import https, { type ServerOptions } from "node:https";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import { failureOf, named, runOperation, scratch, testSystem } from "../../operations/checks/testing/fixtures.ts";
import type { Operation } from "../../operation.ts";
import type { HostState } from "../../operations/rollout/ports.ts";
import { cardNumbers } from "../../operations/security/card-numbers.ts";
import { securityOperations } from "../../operations/security/operations.ts";
import type { System } from "../../system/schema.ts";
import { certificateWorld } from "../local-ca/testing.ts";
import { localFiles, localInspector } from "../process/host-inspector.ts";
import { endpointProbes } from "./endpoint-probes.ts";

interface Target {
  readonly system: System;
  readonly root: string;
  readonly pids: Map<string, number | null>;
  readonly operation: Operation;
}

/** An API that answers `/health` and knows nothing else, as a careful one does. */
const careful: RequestListener = (request, response) => {
  response.setHeader("strict-transport-security", "max-age=31536000");
  response.setHeader("x-content-type-options", "nosniff");
  if (request.method === "GET" && request.url === "/health") return response.end('{"status":"ok"}');
  return response.writeHead(404).end('{"error":{"code":"route_unknown"}}');
};

async function target(
  t: TestContext,
  answer: RequestListener = careful,
  options: ServerOptions & { readonly names?: readonly string[]; readonly days?: number } = {},
): Promise<Target> {
  const root = scratch(t);
  const { names, days, ...server } = options;
  const certificates = await certificateWorld(path.join(root, "tls"));
  await certificates.issue({ ...(names === undefined ? {} : { names }), ...(days === undefined ? {} : { days }) });
  const { spec, caFile } = certificates;
  const listening = https.createServer(
    { cert: readFileSync(spec.certFile), key: readFileSync(spec.keyFile), minVersion: "TLSv1.2", ...server },
    answer,
  );
  await new Promise<void>((resolve) => void listening.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const connect = `127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const system = testSystem(root, {
    endpoints: { "https://api.sunnypayments.com": { connect, caFile } },
    certificates: [spec],
    security: { privateFiles: ["shared/keys.json"] },
  });
  const pids = new Map<string, number | null>();
  for (const host of system.hosts) {
    mkdirSync(path.join(host.root, "shared", "log"), { recursive: true });
    mkdirSync(path.join(host.root, "shared", "run"), { recursive: true });
    writeFileSync(path.join(host.root, "shared", "service.env"), "KEY=x\n", { mode: 0o600 });
    writeFileSync(path.join(host.root, "shared", "keys.json"), "{}", { mode: 0o600 });
    writeFileSync(path.join(host.root, "shared", "log", "service.log"), '{"event":"request","at":1764000000000}\n');
    pids.set(host.name, null);
  }
  const operation = named(
    securityOperations({
      clock: systemClock,
      probes: endpointProbes(systemClock),
      hosts: localInspector(),
      localFiles,
      fleet: { read: async (host) => ({ pid: pids.get(host) ?? null }) as HostState },
    }),
    "security-penetration-test",
  );
  return { system, root, pids, operation };
}

test("a careful system passes, and the report says what was tried", async (t) => {
  const { system, operation } = await target(t);
  const report = await runOperation(operation, { system });
  assert.match(report.summary, /^\d+ probes found nothing of high severity; 0 medium, 0 low$/);
  const messages = report.findings?.map(({ subject, message }) => `${subject}: ${message}`).join("\n") ?? "";
  for (const expected of [
    /refuses TLS 1\.0/,
    /refuses TLS 1\.1/,
    /TRACE is answered with 404|TRACE: the connection was closed/,
    /huge headers is answered with 431/,
    /two lengths is answered with 400/,
    /still answers after all of it/,
    /service\.env is its owner's only, mode 600/,
    /service\.log holds no card number/,
  ]) {
    assert.match(messages, expected);
  }
});

const outside: [string, RequestListener, RegExp][] = [
  [
    "TRACE",
    (request, response) => (request.method === "TRACE" ? response.end("traced") : careful(request, response)),
    /TRACE is answered with 200/,
  ],
  [
    "a file that a path leads to",
    (request, response) =>
      request.url?.includes("passwd") ? response.end("root:x:0:0:root:/root:/bin/bash\n") : careful(request, response),
    /the answer to path traversal shows a password file/,
  ],
  [
    "a stack trace in an error",
    (request, response) =>
      request.url?.includes("no-such-page")
        ? response.writeHead(500).end("Error: x\n    at handle (/srv/app/routes.js:10:3)\n")
        : careful(request, response),
    /the answer to an unknown page shows a stack trace/,
  ],
  [
    "a secret in an error",
    (request, response) =>
      request.url?.includes("no-such-page")
        ? response.writeHead(404).end('{"db":{"password":"hunter22"}}')
        : careful(request, response),
    /the answer to an unknown page shows a password/,
  ],
  [
    "an administrative path",
    (request, response) => (request.url === "/memory" ? response.end("{}") : careful(request, response)),
    /\/memory can be read from outside/,
  ],
  [
    "a request that breaks something inside",
    (request, response) => (request.url?.includes("%2e") ? response.writeHead(500).end() : careful(request, response)),
    /encoded path traversal is answered with 500: it breaks something inside/,
  ],
];
for (const [what, answer, message] of outside) {
  test(`${what} is found from outside`, async (t) => {
    const { system, operation } = await target(t, answer);
    const failure = await failureOf(operation, { system });
    assert.equal(failure.code, "CHECK_FAILED");
    assert.match(failure.message, message);
  });
}

test("old protocol versions are found", async (t) => {
  const { system, operation } = await target(t, careful, { minVersion: "TLSv1", ciphers: "DEFAULT:@SECLEVEL=0" });
  const failure = await failureOf(operation, { system });
  assert.match(failure.message, /TLS of api\.sunnypayments\.com: high: accepts TLS 1\.0: TLSv1 with/);
  assert.match(failure.message, /accepts TLS 1\.1/);
});

test("a certificate for another name, and an expired one, are found", async (t) => {
  const other = await target(t, careful, { names: ["other.test"] });
  assert.match(
    (await failureOf(other.operation, { system: other.system })).message,
    /the certificate is not trusted: .*altnames/,
  );
  const expired = await target(t, careful, { days: -1 });
  assert.match(
    (await failureOf(expired.operation, { system: expired.system })).message,
    /the certificate is not trusted: .*(CERT_HAS_EXPIRED|expired)/,
  );
});

test("a service that an attack takes down is found", async (t) => {
  const made = await target(t, (request, response) => {
    if (request.url?.includes("passwd")) return void request.socket.destroy();
    return careful(request, response);
  });
  await runOperation(made.operation, { system: made.system });
  let down = false;
  const broken = await target(t, (request, response) => {
    if (request.url?.includes("passwd")) down = true;
    return down ? response.writeHead(503).end() : careful(request, response);
  });
  assert.match(
    (await failureOf(broken.operation, { system: broken.system })).message,
    /does not answer any more after the test: 503/,
  );
});

test("missing headers and named products are reported, and do not fail", async (t) => {
  const { system, operation } = await target(t, (request, response) => {
    response.setHeader("server", "thing/1.2");
    if (request.url === "/health") return response.end("{}");
    return response.writeHead(404).end();
  });
  const report = await runOperation(operation, { system });
  assert.match(report.summary, /1 medium, 2 low$/);
  const messages = report.findings?.map(({ message }) => message).join("\n") ?? "";
  assert.match(messages, /medium: sends no strict-transport-security/);
  assert.match(messages, /low: names what it runs on: thing\/1\.2/);
});

test("metrics that anybody can read fail the test", async (t) => {
  const { system, operation } = await target(t, (request, response) =>
    request.url === "/metrics" ? response.end("up 1") : careful(request, response),
  );
  assert.match(
    (await failureOf(operation, { system })).message,
    /HTTP of .*: high: \/metrics can be read from outside/,
  );
});

const inside: [string, (made: Target) => void, RegExp][] = [
  [
    "a private file that others can read",
    ({ system }) => chmodSync(path.join(system.hosts[0]?.root ?? "", "shared/keys.json"), 0o640),
    /files of web-1: high: .*keys\.json is open to others: mode 640/,
  ],
  [
    "a service.env that others can read",
    ({ system }) => chmodSync(path.join(system.hosts[1]?.root ?? "", "shared/service.env"), 0o604),
    /files of web-2: high: .*service\.env is open to others: mode 604/,
  ],
  [
    "a private key that others can read",
    ({ system }) => chmodSync(system.certificates[0]?.keyFile ?? "", 0o644),
    /keys: high: .*api\.key is open to others/,
  ],
  [
    "card numbers in a log",
    ({ system }) =>
      writeFileSync(
        path.join(system.hosts[0]?.root ?? "", "shared/log/service.log"),
        '{"body":"4242 4242 4242 4242"}\n{"x":"5555555555554444"}\n',
      ),
    /logs of web-1: high: .*service\.log holds 2 card numbers, ending in …4242, …4444/,
  ],
];
for (const [what, breakIt, message] of inside) {
  test(`${what} is found from inside`, async (t) => {
    const made = await target(t);
    breakIt(made);
    const failure = await failureOf(made.operation, { system: made.system });
    assert.match(failure.message, message);
    assert.ok(!failure.message.includes("4242 4242"));
  });
}

test("a socket that others may use is found", async (t) => {
  const made = await target(t);
  const server = net.createServer();
  const file = path.join(made.system.hosts[0]?.root ?? "", "shared", "run", "admin.sock");
  await new Promise<void>((resolve) => void server.listen(file, resolve));
  t.after(() => server.close());
  chmodSync(file, 0o666);
  assert.match(
    (await failureOf(made.operation, { system: made.system })).message,
    /sockets of web-1: high: .*admin\.sock is open to others: mode 666/,
  );
});

test(
  "a port that nobody configured is found, also when a child of the service opened it",
  { skip: process.platform !== "linux" && "needs /proc" },
  async (t) => {
    const made = await target(t);
    const program = `import("node:child_process").then(({ spawn }) => spawn(process.execPath, ["-e", 'require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port) })'], { stdio: "inherit" }))`;
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    t.after(() => process.kill(-(child.pid ?? 0), "SIGKILL"));
    const [port] = (await once(child.stdout, "data")) as [Buffer];
    made.pids.set("web-2", child.pid ?? 0);
    const opened = port.toString().trim();
    assert.match(
      (await failureOf(made.operation, { system: made.system })).message,
      new RegExp(`ports of web-2: high: the service listens on 127.0.0.1:${opened}, which nobody configured`),
    );
    const system = { ...made.system, security: { ...made.system.security, publicPorts: [Number(opened)] } };
    await runOperation(made.operation, { system });
  },
);

test("an endpoint over plain HTTP, one that is away, and none at all do not pass", async (t) => {
  const { system, operation } = await target(t);
  const plain = http.createServer(careful);
  await new Promise<void>((resolve) => void plain.listen(0, "127.0.0.1", resolve));
  t.after(() => plain.close());
  const connect = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const of = (endpoints: System["endpoints"]): ReturnType<typeof failureOf> =>
    failureOf(operation, { system: { ...system, endpoints } });
  assert.match((await of({ "http://api.test": { connect } })).message, /the endpoint is not served over TLS/);
  assert.match(
    (await of({ "https://api.test": { connect: "127.0.0.1:1" } })).message,
    /api\.test: high: could not be tried: No connection to 127\.0\.0\.1:1/,
  );
  assert.match((await of({})).message, /none are configured under endpoints, so nothing was tried from outside/);
});

test("card numbers are told from other long numbers", () => {
  assert.deepEqual(cardNumbers("4242424242424242, 5555-5555-5555-4444 and 378282246310005"), [
    "4242424242424242",
    "5555555555554444",
    "378282246310005",
  ]);
  assert.deepEqual(
    cardNumbers("4242424242424241 1764000000000 0.4242424242424242 id-4242424242424242 x4242424242424242"),
    [],
  );
});
