import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/clock.ts";
import { loadSystem } from "../../src/system/load.ts";
import { authorityOf } from "../../examples/payments/demo/authority.ts";
import { writeConfig } from "../../examples/payments/demo/config.ts";
import { createEnvironment } from "../../examples/payments/demo/environment.ts";
import { startSystem, stopSystem } from "../../examples/payments/demo/system.ts";

/** The project's own runbook, of the size and kind of a real one. */
const RUNBOOK = path.resolve(import.meta.dirname, "../../examples/payments/RUNBOOK.md");

export interface BenchSystem {
  /** Path of its configuration. */
  readonly config: string;
  readonly directory: string;
  stop(): Promise<void>;
}

/** The sample system with four hosts behind the embedded proxy, as the demo has it, without load. */
export async function startBenchSystem(): Promise<BenchSystem> {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-bench-"));
  const environment = await createEnvironment({ clock: systemClock, directory });
  const stop = async (): Promise<void> => {
    await stopSystem(environment, systemClock);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const config = await writeConfig(environment, { runbook: RUNBOOK });
    const { system } = await loadSystem(config, directory);
    await startSystem(environment, { clock: systemClock, system, authority: authorityOf(system, systemClock) });
    return { config, directory, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
