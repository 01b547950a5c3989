import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepScope } from "../../engine/context.ts";
import type { Deliveries, Delivery, DeliveryTarget } from "../../release/delivery.ts";
import type { HostAccess } from "./access.ts";
import { deliver } from "./deliver.ts";

const RELEASE = { name: "api", version: "1.0.1", digest: "b".repeat(64), id: "1.0.1-bbbbbbbbbbbb" };
const SCOPE: StepScope = {
  signal: new AbortController().signal,
  idempotencyKey: "key",
  fence: { token: 1, attempt: 1 },
  log: () => {},
};

/** Hosts that have a release or not: what they are asked and sent is written down. */
function world(has: Readonly<Record<string, string>>) {
  const said: string[] = [];
  const access = {
    place: () => ({ root: "/srv/api", service: "" }),
    fence: () => ({ authority: "a", token: 1, key: "key", attempt: 1 }),
    releaseCheck: "recorded",
    read: (host: string) => (said.push(`ask ${host}`), Promise.resolve(`release ${has[host]}\n`)),
    change: (host: string, script: string, _: StepScope, how: { readonly payloadPath?: string }) => {
      said.push(`send ${host}${how.payloadPath === undefined ? "" : " a file"}`);
      const base = /^base='(.*)'$/m.exec(script)?.[1];
      return Promise.resolve(`installed ${base === undefined || base === has[host] ? "yes" : "unfit"}\n`);
    },
  } as unknown as HostAccess;
  const prepare = (_: string, { releases: [id = ""] }: DeliveryTarget): Promise<Delivery> => {
    const small = id === "1.0.0-aaaaaaaaaaaa";
    const delta = { send: [], bytes: 0, moved: [], changed: [], remove: [], removeDirectories: [] };
    const rest = { path: "file", bytes: 1, sha256: "c", encoding: "zstd", unpackedBytes: 1 } as const;
    return Promise.resolve({ ...rest, base: { ...delta, id, treeSha256: "d" }, files: small ? [] : null });
  };
  const deliveries: Deliveries = { prepare, prepareWhole: prepare, close: () => Promise.resolve() };
  return { said, to: (host: string) => deliver(access, deliveries, host, RELEASE, SCOPE) };
}

test("a host is sent at once what the one before it took, and asked when that is not what it lacks", async () => {
  const { said, to } = world({ one: "1.0.0-aaaaaaaaaaaa", two: "1.0.0-aaaaaaaaaaaa", three: "0.9.0-cccccccccccc" });
  for (const host of ["one", "two", "three"]) assert.deepEqual(await to(host), { installed: true });
  assert.deepEqual(said, ["ask one", "send one", "send two", "send three", "ask three", "send three a file"]);
});

test("what needs a file is sent to nobody who was not asked", async () => {
  const { said, to } = world({ one: "0.9.0-cccccccccccc", two: "0.9.0-cccccccccccc" });
  for (const host of ["one", "two"]) await to(host);
  assert.deepEqual(said, ["ask one", "send one a file", "ask two", "send two a file"]);
});
