import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError } from "../../engine/context.ts";
import { hostEndpoint } from "./host-endpoint.ts";

test("a socket that is gone is told by the reason, without what socat writes before it", async () => {
  const socat = '2026/12/01 06:49:50 socat[28357] E connect(, AF=1 "/run/admin.sock", 25): No such file or directory';
  const gone = (): Promise<string> =>
    Promise.reject(new TerminalError("LOAD_BALANCER_UNREACHABLE", `lb-1: /run/admin.sock: ${socat}`));
  const endpoint = hostEndpoint("ssh:lb-1:/run/admin.sock", "/run/admin.sock", { read: gone, change: gone });
  await assert.rejects(endpoint.ask("show info"), {
    code: "LOAD_BALANCER_UNREACHABLE",
    message: "ssh:lb-1:/run/admin.sock: lb-1: /run/admin.sock: No such file or directory",
  });
});
