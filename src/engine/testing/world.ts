import { createEngine } from "../engine.ts";
import type { Engine, EngineOptions, RunResult } from "../engine.ts";
import { journalOn } from "../journal.ts";
import type { Journal } from "../journal.ts";
import type { LeafSink } from "../leaf.ts";
import { MemoryDisk } from "../memory-storage.ts";
import type { WorkflowDef } from "../context.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** One process of a simulated machine. */
export interface SimulatedProcess {
  readonly pid: number;
  readonly engine: Engine;
  readonly journal: Journal;
  /** How many transactions it has committed. */
  commits(): number;
  kill(): void;
}

export interface SpawnOptions extends Partial<Omit<EngineOptions, "journal" | "clock" | "owner" | "liveness">> {
  /** Dies at its own n-th commit, from 1, just before or just after it. */
  readonly dieAt?: { readonly commit: number; readonly phase: "before" | "after" };
  readonly sink?: LeafSink;
  /** Throws at each commit from the n-th on, as a full disk does. */
  readonly failFrom?: { readonly commit: number; readonly error: Error };
}

/** What a dead process's journal throws: it writes nothing any more. */
export class Died extends Error {
  override readonly name = "Died";
}

/** A machine with a disk, a clock and processes that die when they are told to. */
export class World {
  readonly clock = new VirtualClock();
  readonly disk = new MemoryDisk("authority-1");
  readonly #alive = new Set<number>();
  #pids = 100;

  spawn({ dieAt, sink, failFrom, ...options }: SpawnOptions = {}): SimulatedProcess {
    const { clock } = this;
    this.#pids += 1;
    const pid = this.#pids;
    this.#alive.add(pid);
    let commits = 0;
    const assertAlive = (): void => {
      if (!this.#alive.has(pid)) throw new Died(`process ${pid} is dead`);
    };
    const dieIf = (phase: "before" | "after"): void => {
      assertAlive();
      if (phase === "before") commits += 1;
      if (failFrom !== undefined && phase === "before" && commits >= failFrom.commit) throw failFrom.error;
      if (dieAt?.commit === commits && dieAt.phase === phase) this.#alive.delete(pid);
      assertAlive();
    };
    const storage = this.disk.connect({ beforeCommit: () => dieIf("before"), afterCommit: () => dieIf("after") });
    const journal = journalOn(storage, { clock, ...(sink === undefined ? {} : { sink }) });
    const engine = createEngine({
      ...options,
      journal,
      clock,
      owner: { pid, startTime: "1", boot: "boot" },
      liveness: (other) => (this.#alive.has(other.pid) ? "alive" : "dead"),
    });
    return { pid, engine, journal, commits: () => commits, kill: () => void this.#alive.delete(pid) };
  }

  /** Starts and executes a run in a process of its own, or in the given one. */
  async run(
    def: WorkflowDef<never, unknown>,
    options: { id?: string; input?: unknown; process?: SimulatedProcess } = {},
  ): Promise<RunResult> {
    const { id = "run-1", input = null, process = this.spawn() } = options;
    const start = { id, input: input as never, actor: "operator", environment: "production" };
    process.engine.start(def, start);
    return this.clock.until(process.engine.execute(id, [def]));
  }

  async resume(def: WorkflowDef<never, unknown>, id = "run-1", process = this.spawn()): Promise<RunResult> {
    return this.clock.until(process.engine.execute(id, [def], { actor: "operator" }));
  }
}
