import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { describe, it } from "node:test";
import { Backend, choose } from "./backend.ts";
import { answerHeaders, requestHeaders } from "./headers.ts";

function backends(...weights: number[]): Backend[] {
  return weights.map((weight, i) => {
    const backend = new Backend({ name: String.fromCodePoint(97 + i), address: "127.0.0.1", port: 1, weight });
    backend.up = true;
    return backend;
  });
}

const pick = (list: readonly Backend[], count: number): string =>
  Array.from({ length: count }, () => choose(list, new Set())?.name ?? "-").join("");

describe("choose", () => {
  it("spreads by weight instead of serving in rows", () => {
    assert.equal(pick(backends(5, 1, 1), 7), "aabacaa");
    assert.equal(pick(backends(1, 1), 4), "abab");
  });

  it("passes over what is drained, down, without weight or tried", () => {
    const list = backends(100, 100, 100, 100);
    const [a, b, c, d] = list as [Backend, Backend, Backend, Backend];
    a.order({ admin: "drain" });
    b.up = false;
    c.order({ weightPercent: 0 });
    assert.equal(pick(list, 3), "ddd");
    assert.equal(choose(list, new Set([d])), undefined);
  });
});

describe("Backend", () => {
  it("is idle when the last request left, however often it says so", () => {
    const [backend] = backends(1) as [Backend];
    const leave = [backend.enter(() => {}), backend.enter(() => {})];
    let idle = 0;
    backend.whenIdle(() => idle++);
    leave[0]?.();
    leave[0]?.();
    assert.deepEqual([backend.sessions, idle], [1, 0]);
    leave[1]?.();
    assert.deepEqual([backend.sessions, idle], [0, 1]);
  });
});

describe("headers", () => {
  const message = (headers: Record<string, string>, rawHeaders: string[] = []): IncomingMessage =>
    ({ headers, rawHeaders, socket: { remoteAddress: "10.0.0.9", encrypted: true } }) as never;

  it("end at the proxy when they concern one connection, also those that Connection names", () => {
    const sent = requestHeaders(
      message({
        host: "api",
        connection: "keep-alive, x-hop",
        "x-hop": "1",
        te: "trailers",
        "x-forwarded-for": "6.6.6.6",
        accept: "*/*",
      }),
    );
    assert.deepEqual(sent, {
      host: "api",
      accept: "*/*",
      "x-forwarded-for": "10.0.0.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "api",
    });
  });

  it("of an answer keep their case and their number", () => {
    const raw = ["Set-Cookie", "a=1", "Connection", "keep-alive", "Set-Cookie", "b=2", "X-App-Version", "2.1.0"];
    assert.deepEqual(answerHeaders(message({ connection: "keep-alive" }, raw), "web-1", false), [
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "X-App-Version",
      "2.1.0",
      "x-served-by",
      "web-1",
    ]);
  });

  it("of an answer are completed by those for security, except for what the service says itself", () => {
    const answer = message({ "x-content-type-options": "x" }, ["X-Content-Type-Options", "x"]);
    assert.deepEqual(answerHeaders(answer, "web-1", true), [
      "X-Content-Type-Options",
      "x",
      "strict-transport-security",
      "max-age=31536000",
      "x-served-by",
      "web-1",
    ]);
  });
});
