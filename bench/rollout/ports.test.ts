import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { closeAll, listenOn, withFreePort } from "./ports.ts";

const ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

describe("ports of the benchmarks' servers", () => {
  it("are picked again when one was taken meanwhile, and only then", async () => {
    const tried: number[] = [];
    const port = await withFreePort(ADDRESSES, (one) => {
      tried.push(one);
      if (tried.length < 3) return Promise.reject(new Error(`listen EADDRINUSE: address already in use ${one}`));
      return Promise.resolve(one);
    });
    assert.equal(tried.length, 3);
    assert.equal(port, tried[2]);
    const other = withFreePort(ADDRESSES, () => Promise.reject(new Error("no such file")));
    await assert.rejects(other, /no such file/);
  });

  it("are listened on at every address, or at none", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, ADDRESSES[1], resolve));
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(listenOn(ADDRESSES, port), /EADDRINUSE/);
    await closeAll([taken]);
    const servers = await listenOn(ADDRESSES, port);
    assert.deepEqual(
      servers.map((server) => server.address()),
      ADDRESSES.map((address) => ({ address, family: "IPv4", port })),
    );
    await closeAll(servers);
  });
});
