import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Judgement, Verdict } from "../analysis/verdict.ts";
import { RetryableError, TerminalError } from "../engine/context.ts";
import { isSunnyError } from "../errors.ts";
import { VirtualClock } from "../engine/testing/virtual-clock.ts";
import type { Notice, Notifier } from "../notify/notice.ts";
import type { Plan } from "../plan/model.ts";
import { alertsOf, incidentNotice, noticesOf } from "./notices.ts";
import { refusalOf } from "./refusal.ts";

const PLAN = { service: "payments", environment: "production", contacts: [], escalation: [] } as unknown as Plan;

function notifier(): { readonly sent: Notice[]; readonly notifier: Notifier } {
  const sent: Notice[] = [];
  return { sent, notifier: { notify: async (notice) => (sent.push(notice), []) } };
}

const judged = (verdict: Verdict, at: number, action: Action = "none"): Judgement =>
  ({ verdict, action, by: "error-rate", reasons: [`${verdict} for a reason`], at }) as unknown as Judgement;

test("people are told when a watch becomes degraded or blind, once each time, and when that is over", () => {
  const { sent, notifier: own } = notifier();
  const alert = alertsOf(own, { plan: PLAN, runId: "d-1" });
  const verdicts = ["undecided", "healthy", "blind", "blind", "degraded", "degraded", "healthy", "undecided", "blind"];
  for (const [at, verdict] of verdicts.entries()) alert(judged(verdict as Verdict, at));
  assert.deepEqual(
    sent.map(({ event, severity }) => `${event} ${severity}`),
    ["rule.blind warning", "rule.degraded critical", "rule.healthy info", "rule.blind warning"],
  );
  assert.equal(new Set(sent.map(({ id }) => id)).size, 4);
  assert.match(sent[1]?.title ?? "", /degraded \(error-rate\): degraded for a reason/);
});

test("a hold is a warning until the release is to blame, and its end is told without a run as well", () => {
  const { sent, notifier: own } = notifier();
  const alert = alertsOf(own, { plan: PLAN, runId: null });
  alert(judged("degraded", 1, "hold"));
  alert(judged("degraded", 2, "hold"));
  alert(judged("degraded", 3, "roll-back"));
  alert(judged("undecided", 4));
  alert(judged("healthy", 5));
  assert.deepEqual(
    sent.map(({ id, deployment, event, severity }) => [id, deployment, event, severity]),
    [
      ["payments/production/rule/1", null, "rule.hold", "warning"],
      ["payments/production/rule/3", null, "rule.degraded", "critical"],
      ["payments/production/rule/4", null, "rule.undecided", "info"],
    ],
  );
});

test("a notifier that fails does not reach the watcher", () => {
  const broken: Notifier = { notify: () => Promise.reject(new Error("no route")) };
  alertsOf(broken, { plan: PLAN, runId: "d-1" })(judged("degraded", 1));
});

test("notices of one event in a run are told apart by their key", async () => {
  const { sent, notifier: own } = notifier();
  const tell = noticesOf(own, new VirtualClock());
  await tell(PLAN, "d-1", { event: "held", key: "a/decision", text: "?", detail: null });
  await tell(PLAN, "d-1", { event: "held", key: "b/decision", text: "?", detail: { choices: ["done"] } });
  await tell(PLAN, "d-1", { event: "started", text: "!", detail: null });
  assert.deepEqual(
    sent.map(({ id }) => id),
    ["d-1/held/a/decision", "d-1/held/b/decision", "d-1/started"],
  );
});

test("the contacts of a runbook are told that an incident is handled, and by whom", async () => {
  const { sent, notifier: own } = notifier();
  const to = [{ role: "DBA", addresses: ["dba@example.org"] }];
  const system = { service: "payments", environment: "production" } as never;
  await incidentNotice(own, new VirtualClock())({ incident: "Data Loss", to }, { system, actor: "operator" }, "r-1");
  assert.deepEqual(sent[0]?.to, to);
  assert.match(sent[0]?.title ?? "", /"Data Loss" of payments in production, begun by operator/);
});

test("what an operation refuses while a plan is made keeps its code, and a defect stays one", () => {
  for (const error of [new TerminalError("MIGRATION_MISSING", "no"), new RetryableError("HOST_UNREACHABLE", "no")]) {
    const shown = refusalOf(error, "Migrate");
    assert.ok(isSunnyError(shown, "MIGRATION_MISSING", "HOST_UNREACHABLE"));
    assert.equal(shown.place?.step, "Migrate");
  }
  const defect = new TypeError("x is undefined");
  assert.equal(refusalOf(defect, "Migrate"), defect);
});
