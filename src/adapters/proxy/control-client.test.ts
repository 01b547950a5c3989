import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { control } from "./control-client.ts";

test("a proxy that hangs is told from one that answers, instead of being waited for", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-control-"));
  const socket = path.join(directory, "proxy.sock");
  // It takes connections, as the kernel does for a process that is stopped, and says nothing.
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  await assert.rejects(control(socket, "GET", "/stats", undefined, undefined, 50), {
    code: "LOAD_BALANCER_UNREACHABLE",
    message: `the load balancer's control socket ${socket} does not answer: no answer within 50 ms`,
  });
});
