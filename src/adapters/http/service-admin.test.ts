import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import http, { type RequestListener } from "node:http";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { scratch, testSystem } from "../../operations/checks/testing/fixtures.ts";
import type { PoolAdmin } from "../../operations/database/ports.ts";
import type { MemoryAdmin } from "../../operations/checks/ports.ts";
import { localAdminCall, serviceAdmin } from "./service-admin.ts";

async function admin(t: TestContext, answer: RequestListener): Promise<PoolAdmin & MemoryAdmin> {
  const root = scratch(t);
  const { hosts } = testSystem(root);
  const run = path.join(root, "web-1", "shared", "run");
  mkdirSync(run, { recursive: true });
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => void server.listen(path.join(run, "admin.sock"), resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return serviceAdmin(hosts, localAdminCall(systemClock));
}

const pool = { open: 2, inUse: 1, idle: 1, waiting: 0, max: 8 };

test("pool and memory are read from the socket of the host, and resetting is a POST", async (t) => {
  const asked: string[] = [];
  const ports = await admin(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const now = { residentBytes: 50, heapUsedBytes: 20, externalBytes: 3 };
    const memory = { limitBytes: 100, heapLimitBytes: 80, ...now, samples: [{ at: 17, ...now, requests: 7 }] };
    response.end(JSON.stringify(request.url === "/memory" ? memory : { ...pool, closed: 2, host: "web-1" }));
  });
  assert.deepEqual(await ports.connections("web-1"), pool);
  const scope = new DirectContext(systemClock).scope("reset");
  assert.equal((await ports.resetConnections("web-1", scope)).closed, 2);
  const memory = await ports.memory("web-1");
  assert.deepEqual(memory.samples, [{ at: 17, residentBytes: 50, heapUsedBytes: 20, externalBytes: 3, requests: 7 }]);
  assert.deepEqual(asked, ["GET /connections", "POST /db/reset", "GET /memory"]);
});

test("a service that is down, refuses, or answers in another form is named with its socket", async (t) => {
  let status = 503;
  const ports = await admin(t, (_request, response) => response.writeHead(status).end('{"error":"no"}'));
  const unreachable = { code: "SERVICE_ADMIN_UNREACHABLE" };
  await assert.rejects(ports.connections("web-2"), {
    ...unreachable,
    message: /service on web-2 does not answer GET \/connections at .*admin\.sock: .*ENOENT/,
  });
  await assert.rejects(ports.connections("web-1"), { ...unreachable, message: /status 503: \{"error":"no"\}/ });
  status = 200;
  await assert.rejects(ports.connections("web-1"), { ...unreachable, message: /it answers in another form: .*open/ });
});
