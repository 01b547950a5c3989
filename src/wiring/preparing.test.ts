import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fleet, HostState } from "../operations/rollout/ports.ts";
import type { Connected } from "./connect.ts";
import { SunnyError } from "../errors.ts";
import type { System } from "../system/schema.ts";
import type { SourceNeeds } from "./metric-source.ts";
import { preparing, readOnce } from "./preparing.ts";

test("a plan reads each host once, also when it asks again and when the host does not answer", async () => {
  const asked: string[] = [];
  const fleet = {
    read: (host: string) => {
      asked.push(host);
      return host === "web-2" ? Promise.reject(new Error("silent")) : Promise.resolve({ host } as HostState);
    },
  } as unknown as Fleet;
  const once = readOnce(fleet);
  const [first, second] = await Promise.all([once.read("web-1"), once.read("web-1")]);
  assert.equal(first, second);
  await assert.rejects(once.read("web-2"), { message: "silent" });
  await assert.rejects(once.read("web-2"), { message: "silent" });
  assert.deepEqual(asked, ["web-1", "web-2"]);
  await readOnce(fleet).read("web-1");
  assert.deepEqual(asked, ["web-1", "web-2", "web-1"], "the next plan sees the hosts as they are then");
});

test("a release to go back to that has left the store, or is damaged there, is one that hosts have, where it is only one", async () => {
  const [old, other] = ["2.0.0-aaaaaaaaaaaa", "2.0.0-bbbbbbbbbbbb"];
  const missing = new SunnyError("RELEASE_NOT_FOUND", "There is no release payments 2.0.0 in the store");
  const damaged = new SunnyError("RELEASE_ARCHIVE_ALTERED", "payments-2.0.0.tar.gz has 9 bytes instead of 10");
  const target = async (
    onHosts: readonly (readonly string[] | "silent")[],
    wanted: string,
    why = missing,
  ): Promise<unknown> => {
    const read = (host: string): Promise<HostState> => {
      const ids = onHosts[Number(host.at(-1)) - 1] ?? [];
      if (ids === "silent") return Promise.reject(new Error("silent"));
      return Promise.resolve({ releases: ids.map((id) => ({ id, version: "2.0.0" })) } as unknown as HostState);
    };
    const connected = {
      fleet: { read },
      operations: () => Promise.resolve(new Map()),
      releases: { known: { find: () => Promise.reject(why) } },
    } as unknown as Connected;
    const system = { hosts: onHosts.map((_, at) => ({ name: `web-${at + 1}` })) } as unknown as System;
    const ports = await preparing(system, connected, {} as SourceNeeds);
    await assert.rejects(ports.findRelease(wanted), why);
    return ports.findTarget(wanted);
  };
  const found = { name: "", version: "2.0.0", digest: "aaaaaaaaaaaa", id: old };
  assert.deepEqual(await target([[old], "silent", []], "2.0.0"), found);
  assert.deepEqual(await target([[old], [old, other]], old), found);
  assert.deepEqual(await target([[old], [old]], "2.0.0", damaged), found);
  for (const none of [
    [[], "silent"],
    [[old], [other]],
  ] as const) {
    await assert.rejects(target(none, "2.0.0"), missing);
    await assert.rejects(target(none, "2.0.0", damaged), damaged);
  }
});
