import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHostState } from "./host-state.ts";
import { versionIn } from "./probe.ts";
import { parseUsage, releasesToPrune } from "./usage.ts";

const A = "1.0.0-aaaaaaaaaaaa";
const B = "1.1.0-beta.1-bbbbbbbbbbbb";
const C = "1.2.0-cccccccccccc";

const log = (event: string, turn: string, id: string, previous: string, why = "-"): string =>
  `log 1760000000 ${event} ${turn} ${id} ${previous} ${why}`;

function stateOf(...lines: string[]) {
  return parseHostState("web-1", lines.join("\n"));
}

describe("parseHostState", () => {
  it("reads a host that Sunny never touched", () => {
    const state = stateOf("active -", "service stopped 0", "free 2048", "clock 1760000000");
    assert.deepEqual(state, {
      host: "web-1",
      active: null,
      previous: null,
      releases: [],
      incomplete: [],
      fence: null,
      service: "stopped",
      pid: null,
      pending: null,
      last: null,
      freeBytes: 2_097_152,
      clockMs: 1_760_000_000_000,
    });
  });

  it("takes the previous release from what was confirmed, not from what lies there", () => {
    const state = stateOf(
      `active ${C}`,
      `release ${A}`,
      `release ${B}`,
      `release ${C}`,
      "incomplete .incoming-x",
      "fence 12 auth",
      "service running 4711",
      log("begun", "t1", A, "-"),
      log("confirmed", "t1", A, "-"),
      log("begun", "t2", B, A),
      log("reverted", "t2", B, A, "not confirmed in time"),
      log("begun", "t3", C, A),
      log("activated", "t3", C, A),
      log("confirmed", "t3", C, A),
    );
    assert.deepEqual(
      [state.active, state.previous],
      [
        { id: C, version: "1.2.0" },
        { id: A, version: "1.0.0" },
      ],
    );
    assert.deepEqual(state.releases[1], { id: B, version: "1.1.0-beta.1" });
    assert.deepEqual(
      [state.incomplete, state.fence, state.pid],
      [[".incoming-x"], { token: 12, authority: "auth" }, 4711],
    );
    assert.deepEqual(state.last, { turn: "t3", releaseId: C, state: "confirmed", reason: "" });
  });

  it("tells a pending activation from one that only began, one that is exposed and one that is gone", () => {
    const pending = `pending t2 ${B} ${A} 0 120`;
    const begun = [`active ${A}`, log("begun", "t2", B, A)];
    assert.equal(stateOf(...begun, pending).last?.state, "begun");
    const activated = [...begun, log("activated", "t2", B, A)];
    const state = stateOf(...activated, pending);
    assert.equal(state.last?.state, "pending");
    assert.deepEqual(state.pending, { turn: "t2", releaseId: B, previousId: A, exposure: false, remainingMs: 120_000 });
    assert.equal(state.previous?.id, A);
    assert.equal(stateOf(...activated).last?.state, "reverted");
    assert.equal(stateOf(...activated, log("exposed", "t2", B, A), pending).last?.state, "confirmed");
    const reverted = stateOf(...activated, log("reverted", "t2", B, A, "nobody watched it in time"));
    assert.deepEqual([reverted.last?.state, reverted.last?.reason], ["reverted", "nobody watched it in time"]);
    assert.equal(stateOf(...activated, log("superseded", "t2", B, A, "by t3")).last?.state, "reverted");
  });
});

describe("releasesToPrune", () => {
  it("takes the oldest first and leaves what a rollback may need", () => {
    const ids = ["a", "b", "c", "d", "e"].map((letter, i) => `1.${i}.0-${letter.repeat(12)}`);
    const state = {
      ...stateOf("active -"),
      active: { id: ids[4] ?? "", version: "1.4.0" },
      previous: { id: ids[0] ?? "", version: "1.0.0" },
      releases: ids.map((id) => ({ id, version: "" })),
    };
    assert.deepEqual(releasesToPrune(state, { keep: 5, protectedIds: [] }), []);
    assert.deepEqual(releasesToPrune(state, { keep: 3, protectedIds: [] }), [ids[1], ids[2]]);
    assert.deepEqual(releasesToPrune(state, { keep: 2, protectedIds: [ids[1] ?? ""] }), [ids[2], ids[3]]);
  });
});

describe("parseUsage", () => {
  it("reads what a script printed, and null for a service that does not run", () => {
    assert.equal(parseUsage("stopped"), null);
    assert.deepEqual(parseUsage("usage 10 2500 100.5 150 1000 4000"), {
      pid: 10,
      cpuMs: 2500,
      atMs: 100_500,
      cpus: 1.5,
      rssBytes: 1000,
      limitBytes: 4000,
    });
  });
});

describe("versionIn", () => {
  it("finds a member, also a nested one, and null in anything else", () => {
    assert.equal(versionIn('{"version":"2.0.0"}', "version"), "2.0.0");
    assert.equal(versionIn('{"build":{"version":"2.0.0"}}', "build.version"), "2.0.0");
    for (const body of ["", "null", "<html>", '{"version":2}', "[]"]) assert.equal(versionIn(body, "version"), null);
  });
});
