import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { Sunny } from "../main.ts";
import type { Plan, PlanKind } from "../plan/model.ts";
import type { CliContext } from "./context.ts";
import { createOutput } from "./output.ts";
import { configure } from "./status.ts";

/** A run of one step that a person has to decide. */
function held(id: string, kind: PlanKind, phase: string, operation: string): RunRecord {
  const plan = { kind, service: "payments", phases: [{ title: phase, steps: [{ operation }] }] } as unknown as Plan;
  const run = { id, state: "held", createdAt: 0, endedAt: null, question: null, within: null, reason: null };
  return { ...run, input: { plan } } as unknown as RunRecord;
}

test("a procedure is listed under its name in the runbook, and a single operation under its own", async () => {
  let out = "";
  const write = (text: string): void => void (out += text);
  const runs = [
    held("r-1", "procedure", "Data centre gone", "follow-instruction"),
    held("r-2", "run", "Verify infrastructure", "verify-infrastructure"),
  ];
  const sunny = {
    system: { environment: "production", hosts: [] },
    journal: { read: { runs: () => runs, environment: () => null, status: () => undefined } },
    environment: () => Promise.resolve({ servers: [], read: [], unread: [], probes: new Map() }),
    isCarriedOut: () => false,
  } as unknown as Sunny;
  const context = {
    output: createOutput({ json: false, stdout: { write }, stderr: { write }, clock: systemClock }),
    sunny: () => Promise.resolve(sunny),
    exit: () => {},
  } as unknown as CliContext;
  const command = new Command();
  configure(command, context);
  await command.parseAsync([], { from: "user" });
  assert.match(out, /^ {2}r-1 {2}\S+ {2}Data centre gone +held$/m);
  assert.match(out, /^ {2}r-2 {2}\S+ {2}verify-infrastructure +held$/m);
});
