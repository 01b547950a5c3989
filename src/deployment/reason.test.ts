import assert from "node:assert/strict";
import { test } from "node:test";
import { Interrupted, TerminalError } from "../engine/context.ts";
import { reasonOf } from "./reason.ts";

test("a breach is told in the watcher's sentences, not as its data", () => {
  const reasons = ["Errors against the baseline: e-value 133 of 100 needed", "the baseline is in trouble as well"];
  const detail = { eValue: 132.55, needed: 100, reasons, at: 1 };
  const error = new Interrupted({ kind: "breach", by: "errors-versus-baseline", detail });
  assert.equal(reasonOf(error), reasons.join("; "));
});

test("an abort names who asked for it and why, where a reason was given", () => {
  assert.equal(reasonOf(new Interrupted({ kind: "abort", by: "operator", detail: null })), "aborted by operator");
  const told = new Interrupted({ kind: "abort", by: "operator", detail: "wrong release" });
  assert.equal(reasonOf(told), "aborted by operator: wrong release");
  const resolved = new Interrupted({ kind: "abort", by: "dba", detail: { step: "a/run", reason: "half done" } });
  assert.equal(reasonOf(resolved), "aborted by dba: half done");
});

test("any other failure keeps its own words", () => {
  assert.equal(reasonOf(new TerminalError("X", "web-1: not healthy")), "web-1: not healthy");
});
