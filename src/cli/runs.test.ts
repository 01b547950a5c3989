import assert from "node:assert/strict";
import { test } from "node:test";
import { newRun } from "../engine/new-run.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { Sunny } from "../main.ts";
import { findNewest, findRun, lastDeployment } from "./runs.ts";

type Change = Partial<Pick<RunRecord, "state" | "endedAt" | "output" | "within">> & { readonly kind?: string };

function run(id: string, { kind = "deploy", ...change }: Change = {}): RunRecord {
  const input = { plan: { kind, digest: `plan of ${id}` } };
  const frozen = { id, root: id, environment: "production", actor: "operator", input, meta: null, createdAt: 1 };
  return { ...newRun({ name: "deployment", version: 1 }, { ...frozen, supersedes: null, within: null }), ...change };
}

/** A journal with these runs, newest first. */
function sunnyWith(...runs: RunRecord[]): Sunny {
  const read = {
    runs: (limit: number) => runs.slice(0, limit),
    run: (id: string) => runs.find((one) => one.id === id),
  };
  return { journal: { read } } as unknown as Sunny;
}

const ENDED = { state: "done", endedAt: 2, output: { outcome: "succeeded" } } as const;
const WITHIN = { run: "d-1", step: "tasks/run", scope: "" };

test("a run is found by its id and by a beginning that only it has", () => {
  const sunny = sunnyWith(run("d-12ab"), run("d-12cd"), run("d-12"));
  assert.equal(findRun(sunny, "d-12ab").id, "d-12ab");
  assert.equal(findRun(sunny, "d-12c").id, "d-12cd");
  assert.equal(findRun(sunny, "d-12").id, "d-12", "the id itself counts before others that begin with it");
});

test("a beginning that several have is refused, and so is an unknown one, with what may be meant", () => {
  const sunny = sunnyWith(run("d-12ab"), run("d-12cd"));
  assert.throws(() => findRun(sunny, "d-1"), { code: "RUN_UNKNOWN", message: /"d-1": it is ambiguous/ });
  assert.throws(() => findRun(sunny, "d-12ax"), { code: "RUN_UNKNOWN", hint: /Did you mean d-12ab\?/ });
  assert.throws(() => findRun(sunny, "zzzzzzzz"), { code: "RUN_UNKNOWN", hint: /^`sunny status` lists/ });
});

test("a run that is older than what is looked through is still found by its id", () => {
  const runs = Array.from({ length: 600 }, (_, i) => run(`d-${String(i).padStart(4, "0")}`));
  assert.equal(findRun(sunnyWith(...runs), "d-0599").id, "d-0599");
});

test("without an id the newest counts that has not ended, else the newest, and never one that is part of another", () => {
  const open = run("d-open");
  assert.equal(findRun(sunnyWith(run("d-new", ENDED), open, run("d-old", ENDED)), undefined), open);
  assert.equal(findRun(sunnyWith(run("d-new", ENDED), run("d-old", ENDED)), undefined).id, "d-new");
  assert.equal(findRun(sunnyWith(run("r-1", { within: WITHIN }), open), undefined), open);
  assert.throws(() => findRun(sunnyWith(), undefined), { code: "RUN_UNKNOWN", message: /Nothing has run here yet/ });
});

test("who looks back without an id means the newest, not one that was left paused before", () => {
  const open = run("d-open");
  assert.equal(findNewest(sunnyWith(run("d-new", ENDED), open), undefined).id, "d-new");
  assert.equal(findNewest(sunnyWith(run("r-1", { within: WITHIN }), open), undefined), open);
  assert.equal(findNewest(sunnyWith(run("d-new", ENDED), open), "d-open"), open);
  assert.throws(() => findNewest(sunnyWith(), undefined), { code: "RUN_UNKNOWN", message: /Nothing has run here yet/ });
});

test("the last deployment is the newest that succeeded, whatever ran since", () => {
  const sunny = sunnyWith(
    run("r-1", { ...ENDED, kind: "run" }),
    run("d-3", { ...ENDED, output: { outcome: "rolled-back" } }),
    run("d-2", { state: "failed", endedAt: 2 }),
    run("d-1", ENDED),
    run("d-0", ENDED),
  );
  assert.equal(lastDeployment(sunny)?.digest, "plan of d-1");
  assert.equal(lastDeployment(sunnyWith(run("d-1"))), null);
});
