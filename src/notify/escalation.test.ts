import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { Contact, Item } from "../runbook/model.ts";
import { advance, nextDeadline, startEscalation, type EscalationPolicy } from "./escalation.ts";
import { escalationLevels, recipientsOf, type People } from "./routing.ts";

const MINUTE = 60_000;
const item = (text: string): Item => ({ text, line: 1, column: 1 });
const contact = (role: string, address: string): Contact => ({
  role,
  address,
  addresses: [address],
  line: 1,
  column: 1,
});
const people: People = {
  contacts: [
    contact("DevOps Lead", "devops-lead@sunnypayments.com"),
    contact("Security Team", "security@sunnypayments.com"),
    contact("Database Admin", "dba@sunnypayments.com"),
  ],
  escalation: ["On-Call Engineer", "DevOps Lead", "CTO", "CEO"].map((text) => item(text)),
};
const policy: EscalationPolicy = { levels: escalationLevels(people), answerWithinMs: 5 * MINUTE, rounds: 2 };

describe("whom a notice goes to", () => {
  const cases: [Parameters<typeof recipientsOf>[0], Parameters<typeof recipientsOf>[1], string[]][] = [
    ["deployment", "warning", ["DevOps Lead"]],
    ["security", "info", ["Security Team"]],
    ["database", "critical", ["Database Admin", "On-Call Engineer"]],
  ];
  for (const [topic, severity, expected] of cases) {
    it(`${severity} about ${topic}: ${expected.join(" and ")}`, () => {
      assert.deepEqual(
        recipientsOf(topic, severity, people).map(({ role }) => role),
        expected,
      );
    });
  }

  it("everybody, when no contact speaks of the topic, and nobody twice", () => {
    const few = { contacts: [contact("Security Team", "s@x.org")], escalation: [item("security team")] };
    assert.deepEqual(
      recipientsOf("database", "critical", few).map(({ role }) => role),
      ["Security Team"],
    );
  });
});

describe("an escalation", () => {
  it("asks one level after the other, each for its full time, then the path again, then ends", () => {
    const asked: string[] = [];
    let step = startEscalation(policy, 0);
    for (let minute = 0; minute <= 60; minute++) {
      if (minute > 0) step = advance(policy, step.state, { kind: "tick", now: minute * MINUTE });
      if (step.ask !== null) asked.push(`${minute} ${step.ask.role}`);
    }
    const round = ["0 On-Call Engineer", "5 DevOps Lead", "10 CTO", "15 CEO", "20 On-Call Engineer"];
    assert.deepEqual(asked.slice(0, 5), round);
    assert.equal(asked.length, 8);
    assert.deepEqual(step.state, { kind: "exhausted", at: 40 * MINUTE });
  });

  it("knows the address of a level that is also a contact", () => {
    assert.deepEqual(policy.levels[1], { role: "DevOps Lead", addresses: ["devops-lead@sunnypayments.com"] });
    assert.deepEqual(policy.levels[0]?.addresses, []);
  });

  it("ends when somebody takes it; the first one counts, a late one as well", () => {
    const { state } = startEscalation(policy, 0);
    const taken = advance(policy, state, { kind: "acknowledged", by: "operator", now: 1 }).state;
    assert.deepEqual(taken, { kind: "acknowledged", by: "operator", at: 1 });
    assert.deepEqual(advance(policy, taken, { kind: "acknowledged", by: "CTO", now: 2 }).state, taken);
    assert.deepEqual(advance(policy, taken, { kind: "tick", now: 99 * MINUTE }), { state: taken, ask: null });
    const late = advance(policy, { kind: "exhausted", at: 5 }, { kind: "acknowledged", by: "CTO", now: 9 }).state;
    assert.equal(late.kind, "acknowledged");
  });

  it("asks the next level only, however long nobody looked at the clock", () => {
    const { state } = startEscalation(policy, 0);
    const step = advance(policy, state, { kind: "tick", now: 600 * MINUTE });
    assert.equal(step.ask?.role, "DevOps Lead");
    assert.equal(nextDeadline(policy, step.state), 605 * MINUTE);
  });

  it("is exhausted at once without anybody to ask", () => {
    assert.deepEqual(startEscalation({ ...policy, levels: [] }, 7), { state: { kind: "exhausted", at: 7 }, ask: null });
  });

  it("always ends, and asks nobody after its end, whatever the ticks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (gaps) => {
        let now = 0;
        let { state } = startEscalation(policy, now);
        let asked = 1;
        for (const gap of gaps) {
          now += gap * MINUTE;
          const before = state.kind;
          const step = advance(policy, state, { kind: "tick", now });
          state = step.state;
          if (step.ask !== null) asked++;
          if (before === "exhausted") assert.equal(step.ask, null);
          if (state.kind === "asking") assert.ok((nextDeadline(policy, state) ?? 0) > now);
        }
        assert.ok(asked <= policy.levels.length * policy.rounds);
      }),
    );
  });
});
