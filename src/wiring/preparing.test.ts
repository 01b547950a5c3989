import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fleet, HostState } from "../operations/rollout/ports.ts";
import { readOnce } from "./preparing.ts";

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
