import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { sleep, systemClock } from "../clock.ts";
import type { Json } from "../json.ts";
import type { WorkflowDef } from "./context.ts";
import { createEngine } from "./engine.ts";
import type { RunResult } from "./engine.ts";
import { openJournal } from "./open-journal.ts";
import { conformance } from "./testing/conformance.ts";
import type { ConformingEngine } from "./testing/conformance.ts";
import { World } from "./testing/world.ts";
import type { SimulatedProcess } from "./testing/world.ts";

/** Processes of a simulated machine, on a virtual clock. */
function inMemory(): Promise<ConformingEngine> {
  const world = new World();
  let process: SimulatedProcess = world.spawn();
  const defs: WorkflowDef<never, unknown>[] = [];
  let running: Promise<RunResult> | undefined;
  const execute = (id: string): void => {
    running = process.engine.execute(id, defs);
    running.catch(() => undefined);
  };
  return Promise.resolve({
    start: (def: WorkflowDef<never, unknown>, id: string, input: Json) => {
      defs.push(def);
      process.engine.start(def, { id, input: input as never, actor: "operator", environment: "production" });
      execute(id);
      return Promise.resolve();
    },
    result: () => world.clock.until(running!),
    signal: async (id, name, value) => void process.engine.request(id, { kind: "signal", name, value }, { by: "CTO" }),
    interrupt: async (id, reason) => void process.engine.interrupt(id, reason),
    crash: (id) => {
      process.kill();
      process = world.spawn();
      execute(id);
      return Promise.resolve();
    },
    pass: (ms) => world.clock.pass(ms),
    close: () => Promise.resolve(),
  });
}

/** A real file and the real clock; a crash closes the file under the engine, and another process is pretended. */
function onFile(): Promise<ConformingEngine> {
  const directory = mkdtempSync(join(tmpdir(), "sunny-conformance-"));
  const path = join(directory, "journal.db");
  const clock = systemClock;
  let pid = 1;
  const open = () => {
    const journal = openJournal(path, { clock });
    const mine = (pid += 1);
    const engine = createEngine({
      journal,
      clock,
      owner: { pid: mine, startTime: "1", boot: "boot" },
      liveness: (other) => (other.pid === pid ? "alive" : "dead"),
      limits: { pollMs: 10, graceMs: 50 },
    });
    return { journal, engine };
  };
  let current = open();
  const defs: WorkflowDef<never, unknown>[] = [];
  let running: Promise<RunResult> | undefined;
  const execute = (id: string): void => {
    running = current.engine.execute(id, defs);
    running.catch(() => undefined);
  };
  return Promise.resolve({
    start: (def: WorkflowDef<never, unknown>, id: string, input: Json) => {
      defs.push(def);
      current.engine.start(def, { id, input: input as never, actor: "operator", environment: "production" });
      execute(id);
      return Promise.resolve();
    },
    result: () => running!,
    signal: async (id, name, value) => void current.engine.request(id, { kind: "signal", name, value }, { by: "CTO" }),
    interrupt: async (id, reason) => void current.engine.interrupt(id, reason),
    crash: (id) => {
      current.journal.close();
      current = open();
      execute(id);
      return Promise.resolve();
    },
    pass: (ms) => sleep(clock, ms),
    close: () => {
      current.journal.close();
      rmSync(directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
}

conformance("the journal in memory", inMemory);
conformance("the journal on a file", onFile);
