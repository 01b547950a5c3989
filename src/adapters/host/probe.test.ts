import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { probeService } from "./probe.ts";

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "/moved": (response) => response.writeHead(302, { location: "/login" }).end(),
  "/silent": (response) => response.writeHead(503).end(),
  "/sick": (response) => response.writeHead(503).end("no  database\n"),
  "/endless": (response) => response.write("{"),
};

test("what is wrong with a health answer is said: where it leads, what it says, that it did not end", async (t) => {
  const server = createServer((request, response) => answers[request.url ?? ""]?.(response));
  t.after(() => server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const reason = async (path: string, timeoutMs = 60_000): Promise<string> =>
    (await probeService({ address: "127.0.0.1", port, path, versionField: "version", timeoutMs }, systemClock)).reason;
  assert.equal(await reason("/moved"), "status 302, which leads to /login");
  assert.equal(await reason("/silent"), "status 503");
  assert.equal(await reason("/sick"), "status 503: no database");
  assert.equal(await reason("/endless", 2_000), "the answer did not end within 2000 ms");
  assert.equal(await reason("/nothing", 500), "no answer within 500 ms");
});
