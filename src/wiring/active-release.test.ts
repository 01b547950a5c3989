import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryableError } from "../engine/context.ts";
import { testRelease } from "../plan/testing.ts";
import type { Fleet, HostState } from "../operations/rollout/ports.ts";
import { activeRelease } from "./active-release.ts";
import type { Releases } from "./releases.ts";

const [OLD, NEW] = [testRelease("2.0.0"), testRelease("2.1.0")];
const HOSTS = ["web-1", "web-2", "web-3"];

/** A fleet whose hosts run these releases in order; "silent" does not answer, null runs nothing. */
function fleet(...states: (typeof OLD | null | "silent")[]): Pick<Fleet, "read"> {
  return {
    read: (host) => {
      const state = states[HOSTS.indexOf(host)];
      if (state === "silent" || state === undefined) {
        return Promise.reject(new RetryableError("HOST_UNREACHABLE", `${host}: connect timed out`));
      }
      const active = state === null ? null : { id: state.id, version: state.version };
      return Promise.resolve({ active } as unknown as HostState);
    },
  };
}

const store = {
  find: (id: string) => Promise.resolve([OLD, NEW].filter((one) => one.id === id)),
} as unknown as Releases;

const read = (hosts: Pick<Fleet, "read">, strict: boolean, releases = store) =>
  activeRelease(HOSTS, hosts, releases, strict);

test("hosts that agree name the release, from the store", async () => {
  for (const strict of [true, false]) assert.deepEqual(await read(fleet(NEW, NEW, NEW), strict), NEW);
});

test("hosts that run nothing are before the first deployment", async () => {
  assert.equal(await read(fleet(null, null, null), true), null);
});

test("hosts that disagree are named with what each runs, where it matters", async () => {
  await assert.rejects(read(fleet(OLD, NEW, OLD), true), {
    code: "HOSTS_DISAGREE",
    message: /web-1, web-3 run 2\.0\.0-\w+; web-2 runs 2\.1\.0-\w+$/,
    hint: /sunny rollback --version VERSION/,
  });
  await assert.rejects(read(fleet(OLD, null, OLD), true), { message: /web-2 runs nothing/ });
  assert.deepEqual(await read(fleet(OLD, NEW, OLD), false), OLD, "where it does not, most of them count");
});

test("a host that cannot be read is named with the reason, where it matters", async () => {
  await assert.rejects(read(fleet(NEW, "silent", "silent"), true), {
    code: "HOSTS_DISAGREE",
    message:
      /web-1 runs 2\.1\.0-\w+; web-2 cannot be read: connect timed out; web-3 cannot be read: connect timed out$/,
    hint: /^Mend what keeps the host from being read/,
  });
  await assert.rejects(read(fleet(NEW, NEW, "silent"), true), { message: /web-3 cannot be read: connect timed out$/ });
  assert.deepEqual(await read(fleet(NEW, "silent", "silent"), false), NEW);
});

test("a release that has left the store is still named by its id", async () => {
  const empty = { find: () => Promise.reject(new Error("gone")) } as unknown as Releases;
  const found = await read(fleet(OLD, OLD, OLD), true, empty);
  assert.deepEqual(found, { name: "", version: "2.0.0", digest: OLD.id.slice("2.0.0-".length), id: OLD.id });
});
