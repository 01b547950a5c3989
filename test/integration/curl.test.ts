import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { withCurlHome } from "../../src/adapters/process/curl-home.ts";
import { processRunner } from "../../src/adapters/process/runner.ts";
import { systemClock } from "../../src/clock.ts";
import { scratch } from "../../src/operations/checks/testing/fixtures.ts";
import { without } from "../support/programs.ts";

test("a curl in a pipe gets its answer from there", { skip: without("curl") }, async (t) => {
  const server = createServer((request, response) => response.end(`${request.headers.host} ${request.url}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoints = { "http://api.example.com": { connect: `127.0.0.1:${port}` } };
  const result = await withCurlHome(processRunner(systemClock), { directory: scratch(t), endpoints }).run({
    argv: ["/bin/sh", "-c", "curl --fail --silent http://api.example.com/health | cat"],
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "" },
    deadlineMs: 20_000,
  });
  assert.equal(result.stdout, "api.example.com /health", result.stderr);
});
