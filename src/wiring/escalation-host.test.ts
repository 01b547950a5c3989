import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { VirtualClock } from "../engine/testing/virtual-clock.ts";
import type { Notice } from "../notify/notice.ts";
import type { Plan } from "../plan/model.ts";
import { EscalationHost, type Waiting } from "./escalation-host.ts";
import { sqliteEscalations, type EscalationStore } from "./escalation-store.ts";

const MINUTE = 60_000;
const place = { line: 1, column: 1 };
const PLAN = {
  service: "payments",
  environment: "production",
  contacts: [{ role: "CTO", address: "cto@example.org", addresses: ["cto@example.org"], ...place }],
  escalation: ["On-Call Engineer", "DevOps Lead", "CTO"].map((text) => ({ text, ...place })),
  system: { notify: { answerWithinMs: 5 * MINUTE } },
} as unknown as Plan;

const QUESTION: Waiting = {
  question: "deploy/bake-canary/decision",
  text: "promote or roll back?",
  severity: "critical",
  isTold: true,
};

/** A process on a virtual clock; a second one on the same store is what follows a crash. */
class Scene {
  readonly clock: VirtualClock;
  readonly sent: Notice[] = [];
  readonly host: EscalationHost;
  waiting: Waiting | null = null;
  #changed: () => void = () => {};

  constructor(store: EscalationStore, clock = new VirtualClock()) {
    this.clock = clock;
    const notifier = { notify: (notice: Notice) => Promise.resolve([void this.sent.push(notice)] as never) };
    this.host = new EscalationHost({ clock, notifier, store, onNote: (text) => assert.fail(text) });
    this.host.begin({
      runId: "d-1",
      plan: PLAN,
      waiting: () => this.waiting,
      onChange: (listener) => {
        this.#changed = listener;
        return () => (this.#changed = () => {});
      },
    });
  }

  /** What the run waits for from now on, as a commit tells. */
  become(waiting: Waiting | null): void {
    this.waiting = waiting;
    this.#changed();
  }

  asked(): string[] {
    return this.sent.map((notice) => notice.to.map(({ role }) => role).join());
  }
}

function storeOf(t: TestContext): EscalationStore {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-escalation-"));
  const store = sqliteEscalations(path.join(directory, "watch.db"));
  t.after(() => {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return store;
}

test("one level after the other is asked until somebody answers", async (t) => {
  const scene = new Scene(storeOf(t));
  scene.become(QUESTION);
  assert.deepEqual(scene.asked(), [], "the workflow has told the first level");
  await scene.clock.pass(5 * MINUTE);
  assert.deepEqual(scene.asked(), ["DevOps Lead"]);
  await scene.clock.pass(5 * MINUTE);
  assert.deepEqual(scene.asked(), ["DevOps Lead", "CTO"]);
  assert.deepEqual(scene.sent[1]?.to, [{ role: "CTO", addresses: ["cto@example.org"] }]);
  scene.become(null);
  await scene.clock.pass(60 * MINUTE);
  assert.equal(scene.sent.length, 2, "an answer ends it");
});

test("the path is walked three times, each notice has an id of its own, and then it is over", async (t) => {
  const scene = new Scene(storeOf(t));
  scene.become(QUESTION);
  await scene.clock.pass(120 * MINUTE);
  const path3 = ["On-Call Engineer", "DevOps Lead", "CTO"];
  assert.deepEqual(scene.asked(), [...path3.slice(1), ...path3, ...path3]);
  assert.equal(new Set(scene.sent.map(({ id }) => id)).size, scene.sent.length);
});

test("a question that the engine asks goes to the first level at once", async (t) => {
  const scene = new Scene(storeOf(t));
  scene.become({ ...QUESTION, isTold: false });
  assert.deepEqual(scene.asked(), ["On-Call Engineer"]);
});

test("after a crash it goes on with the level that is next, once whoever resumed has had time to answer", async (t) => {
  const store = storeOf(t);
  const first = new Scene(store);
  first.become(QUESTION);
  await first.clock.pass(7 * MINUTE);
  assert.deepEqual(first.asked(), ["DevOps Lead"]);
  await first.host.end();
  first.clock.jump(60 * MINUTE);
  const second = new Scene(store, first.clock);
  second.become(QUESTION);
  await second.clock.pass(9_000);
  assert.deepEqual(second.asked(), []);
  await second.clock.pass(1_000);
  assert.deepEqual(second.asked(), ["CTO"]);
});

test("another question begins with the first level again", async (t) => {
  const scene = new Scene(storeOf(t));
  scene.become(QUESTION);
  await scene.clock.pass(11 * MINUTE);
  scene.become({ ...QUESTION, question: "deploy/bake-final/decision" });
  await scene.clock.pass(5 * MINUTE);
  assert.deepEqual(scene.asked(), ["DevOps Lead", "CTO", "DevOps Lead"]);
});

test("nobody is asked after the run has ended here", async (t) => {
  const scene = new Scene(storeOf(t));
  scene.become(QUESTION);
  await scene.host.end();
  await scene.clock.pass(60 * MINUTE);
  assert.deepEqual(scene.asked(), []);
});
