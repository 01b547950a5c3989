import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { SunnyError } from "../errors.ts";
import { createOutput, EXIT, exitStatusOf, exitStatusOfOutcome, type Output } from "./output.ts";

const clock = { now: () => Date.UTC(2026, 2, 1, 12), monotonic: () => 0, timer: () => () => undefined };

function open(json: boolean): { output: Output; out: string[]; err: string[] } {
  const [out, err] = [[] as string[], [] as string[]];
  const stdout = { write: (text: string) => out.push(text) };
  const stderr = { write: (text: string) => err.push(text) };
  return { output: createOutput({ json, stdout, stderr, clock }), out, err };
}

const error = new SunnyError("WINDOW_ZONE_UNKNOWN", 'There is no time zone "Mars"', {
  hint: "Use an IANA name.",
  place: { file: "RUNBOOK.md", line: 42 },
});

describe("the output of a command", () => {
  it("is text on stdout for people, and no events", () => {
    const { output, out, err } = open(false);
    output.event("step", { name: "migrate" });
    output.text("done");
    output.note("beside");
    output.summary({ outcome: "succeeded" });
    assert.deepEqual([out, err], [["done\n"], ["beside\n"]]);
  });

  it("with --json is one event a line on stdout, people's text on stderr, the summary last", () => {
    const { output, out, err } = open(true);
    output.event("step", { name: "migrate", event: "not this", at: "nor this" });
    output.text("done");
    output.summary({ outcome: "succeeded" });
    output.event("late");
    output.summary({ outcome: "other" });
    assert.deepEqual(out, [
      '{"event":"step","at":"2026-03-01T12:00:00.000Z","name":"migrate"}\n',
      '{"event":"summary","at":"2026-03-01T12:00:00.000Z","outcome":"succeeded"}\n',
    ]);
    assert.deepEqual(err, ["done\n"]);
  });

  it("shows an error to people, and to machines as an event", () => {
    const { output, out, err } = open(true);
    output.error(error);
    output.error(new TypeError("x is not\na function"));
    assert.deepEqual(JSON.parse(out[0] ?? ""), {
      event: "error",
      at: "2026-03-01T12:00:00.000Z",
      code: "WINDOW_ZONE_UNKNOWN",
      message: 'There is no time zone "Mars"',
      hint: "Use an IANA name.",
      place: { file: "RUNBOOK.md", line: 42 },
    });
    assert.match(out[1] ?? "", /"code":"INTERNAL","message":"x is not a function"/);
    assert.match(
      err[0] ?? "",
      /^WINDOW_ZONE_UNKNOWN {2}There is no time zone "Mars"\n {2}at RUNBOOK.md:42\n {2}Use an/,
    );
  });

  it("goes on when its reader has gone away", () => {
    const gone = new (class extends EventEmitter {
      write(): boolean {
        return this.emit("error", new Error("write EPIPE"));
      }
    })();
    const output = createOutput({ json: true, stdout: gone, stderr: gone, clock });
    assert.doesNotThrow(() => output.event("step"));
    assert.doesNotThrow(() => output.text("done"));
  });
});

describe("the exit status", () => {
  it("says what became of it, by the table of the reference", () => {
    assert.deepEqual(EXIT, { done: 0, refused: 1, usage: 2, rolledBack: 3, held: 4, interrupted: 130 });
    assert.deepEqual(
      (["succeeded", "refused", "rolled-back", "held"] as const).map((outcome) => exitStatusOfOutcome(outcome)),
      [0, 1, 3, 4],
    );
    assert.equal(exitStatusOf(new SunnyError("USAGE", "")), 2);
    assert.equal(exitStatusOf(new SunnyError("INTERRUPTED", "")), 130);
    assert.equal(exitStatusOf(error), 1);
    assert.equal(exitStatusOf(new Error("unexpected")), 1);
  });
});
