import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MODELS, NOW } from "../../../test/golden/view-models.ts";
import type { Clock } from "../../clock.ts";
import { createOutput } from "../output.ts";
import { changes } from "./changes.ts";
import type { ViewModel } from "./model.ts";
import { openView, type View, type ViewOptions } from "./view.ts";

const model = (name: string): ViewModel => MODELS[name] ?? assert.fail(name);

/** Timers fire when the test lets time pass. */
function handClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => NOW + now,
    monotonic: () => now,
    timer(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    pass(ms) {
      const until = now + ms;
      for (;;) {
        const due = timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        now = due.at;
        due.fn();
      }
      now = until;
    },
  };
}

// oxlint-disable-next-line no-control-regex
const PARTS = /(\u001B\[[?0-9;]*[A-Za-z]|[\n\r])/;

/** A terminal that understands what the screen writes and keeps the lines that people would see. */
class FakeTerminal {
  isTTY = true;
  columns = 80;
  rows = 44;
  lines: string[] = [];
  writes = 0;
  cursorHidden = false;
  #row = 0;
  #written = "";
  #resize: (() => void) | undefined;

  on(_event: "resize", listener: () => void): void {
    this.#resize = listener;
  }

  off(): void {
    this.#resize = undefined;
  }

  resize(columns: number): void {
    this.columns = columns;
    this.#resize?.();
  }

  get listening(): boolean {
    return this.#resize !== undefined;
  }

  write(text: string): void {
    this.writes++;
    for (const part of text.split(PARTS)) this.#take(part);
  }

  #take(part: string): void {
    if (part === "" || part === "\r") return;
    if (part.endsWith("A") && part.startsWith("\u001B["))
      this.#row = Math.max(0, this.#row - Number.parseInt(part.slice(2)));
    else if (part === "\u001B[J") this.lines.length = this.#row;
    else if (part === "\u001B[K") this.lines[this.#row] = this.#written;
    else if (part === "\u001B[?25l") this.cursorHidden = true;
    else if (part === "\u001B[?25h") this.cursorHidden = false;
    else if (part === "\n") {
      this.lines[this.#row] ??= "";
      this.#row++;
      this.#written = "";
    } else if (!part.startsWith("\u001B")) {
      this.#written += part;
      this.lines[this.#row] = this.#written + (this.lines[this.#row] ?? "").slice(this.#written.length);
    }
  }
}

interface Opened {
  readonly view: View;
  readonly clock: ReturnType<typeof handClock>;
  readonly terminal: FakeTerminal;
  readonly out: string[];
}

function open(changed: { json?: boolean; isTTY?: boolean; env?: ViewOptions["env"] } = {}): Opened {
  const [clock, terminal, out] = [handClock(), new FakeTerminal(), [] as string[]];
  terminal.isTTY = changed.isTTY ?? true;
  const stdout = { write: (text: string) => out.push(text) };
  const output = createOutput({ json: changed.json ?? false, stdout, stderr: { write: () => true }, clock });
  const env = changed.env ?? { LANG: "C.UTF-8", NO_COLOR: "1" };
  return { view: openView({ output, terminal, clock, env, noColor: false }), clock, terminal, out };
}

describe("on a terminal", () => {
  it("each frame replaces the one before, and the last one stays", () => {
    const { view, clock, terminal } = open();
    terminal.write("$ sunny deploy\n");
    view.update(model("waiting"));
    assert.equal(terminal.lines[0], "$ sunny deploy");
    assert.match(terminal.lines[1] ?? "", /^ payments .* waiting/);
    clock.pass(100);
    view.update(model("succeeded"));
    view.close();
    assert.equal(terminal.lines.filter((line) => line.startsWith(" payments")).length, 1);
    assert.match(terminal.lines[1] ?? "", /● succeeded  5 min 00 s$/);
    assert.equal(
      terminal.lines.some((line) => line.includes("Waiting")),
      false,
    );
  });

  it("paints at most once in 100 ms, the latest state, and once a second by itself", () => {
    const { view, clock, terminal } = open();
    view.update(model("waiting"));
    for (let i = 0; i < 50; i++) view.update(model(i === 49 ? "running" : "waiting"));
    assert.equal(terminal.writes, 1);
    clock.pass(100);
    assert.equal(terminal.writes, 2);
    assert.match(terminal.lines[0] ?? "", /running {2}5 min 01 s$/);
    clock.pass(1_000);
    assert.equal(terminal.writes, 3);
    assert.match(terminal.lines[0] ?? "", /running {2}5 min 02 s$/);
  });

  it("keeps text above the frame", () => {
    const { view, terminal } = open();
    view.update(model("running"));
    view.text("saved to plan.json");
    assert.equal(terminal.lines[0], "saved to plan.json");
    assert.match(terminal.lines[1] ?? "", /^ payments/);
  });

  it("hides the cursor while it draws and gives it back at the end, once", () => {
    const { view, clock, terminal } = open();
    view.update(model("running"));
    assert.equal(terminal.cursorHidden, true);
    view.close();
    assert.equal(terminal.cursorHidden, false);
    assert.equal(terminal.listening, false);
    const { writes } = terminal;
    view.close();
    view.update(model("held"));
    clock.pass(10_000);
    assert.equal(terminal.writes, writes);
  });

  it("draws anew when its size changes, and fits", () => {
    const { view, terminal } = open();
    view.update(model("running"));
    terminal.resize(60);
    const frame = terminal.lines.slice(terminal.lines.findLastIndex((line) => line.startsWith(" payments")));
    for (const line of frame) assert.ok(line.length < 60, line);
  });
});

describe("without a terminal", () => {
  it("each change is one line with its time", () => {
    const { view, out } = open({ isTTY: false });
    view.update(model("running"));
    out.length = 0;
    view.update(model("running"));
    assert.deepEqual(out, [], "nothing changed, nothing is said");
    view.update(model("breach"));
    assert.deepEqual(out, [
      "12:05:01  failed   4 Application Deployment / Deploy new version (1 min 21 s): error rate 5.1 % on the canary, limit 1 %\n",
      "12:05:01  running  Immediate Rollback / Rollback application: web-1 returns to 2.0.0\n",
      "12:05:01  web-1  reverting, version 2.2.0\n",
      "12:05:01  traffic  2.2.0 0 %, 2.0.0 100 %\n",
      "12:05:01  Error rate > 1%, canary: degraded at 5.10 % of 1 % (e-value 212 of 100 needed)\n",
      "12:05:01  problem  Error rate > 1% on the canary: 5.1 %, limit 1 % (e-value 212 of 100 needed)\n",
      "12:05:01  d-118  rolling back: Error rate > 1% was breached on the canary: 5.1 %, limit 1 %\n",
    ]);
  });

  it("lines are used on a dumb terminal and in continuous integration as well", () => {
    for (const env of [{ TERM: "dumb" }, { CI: "true" }]) {
      const { view, out, terminal } = open({ env });
      view.update(model("running"));
      assert.equal(terminal.writes, 0);
      assert.ok(out.length > 10);
    }
  });

  it("text of others stays on its line", () => {
    const { view, out } = open({ isTTY: false });
    view.update(model("hostile"));
    for (const line of out) {
      assert.equal(line.indexOf("\n"), line.length - 1);
      assert.ok(!line.includes("\u001B"), line);
    }
  });
});

describe("with --json", () => {
  it("each change is one event with the deployment it belongs to", () => {
    const { view, out } = open({ json: true });
    view.update(model("waiting"));
    const events = out.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const event of events) {
      assert.equal(typeof event["event"], "string");
      assert.equal(event["at"], "2026-03-01T12:05:01.000Z");
      assert.equal(event["deployment"], "d-118");
    }
    assert.deepEqual(events.at(-1), {
      event: "deployment",
      at: "2026-03-01T12:05:01.000Z",
      deployment: "d-118",
      state: "waiting",
    });
    assert.equal(events.find((event) => event["event"] === "waiting")?.["for"], "approval by CTO");
  });
});

const entry = (n: number): ViewModel["log"][number] => ({ at: NOW + n, text: `line ${n}` });

describe("changes", () => {
  it("name each new line of output once, also when old ones were dropped", () => {
    const base = model("running");
    const before = { ...base, log: [entry(1), entry(2)] };
    const after = { ...base, log: [entry(2), entry(3), entry(4)] };
    assert.deepEqual(
      changes(before, after).map(({ text }) => text),
      ["line 3", "line 4"],
    );
  });

  it("do not repeat what a running step says of itself", () => {
    const base = model("running");
    const noted = {
      ...base,
      phases: base.phases.map((phase) => ({
        ...phase,
        steps: phase.steps.map((step) => ({ ...step, note: "other" })),
      })),
    };
    assert.deepEqual(changes(base, noted), []);
  });
});
