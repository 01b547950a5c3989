import { SunnyError } from "../errors.ts";
import { canonicalJson, digestOf } from "../json.ts";
import type { Json } from "../json.ts";
import type { WorkflowDef } from "./context.ts";
import type { StartOptions } from "./engine.ts";
import type { EngineLimits } from "./limits.ts";
import type { Journal } from "./journal.ts";
import { newRun } from "./new-run.ts";
import { findScope } from "./scope.ts";
import type { Standing } from "./scope.ts";
import { asKept } from "./payload.ts";
import type { RunRecord } from "./storage.ts";

/** What starting a run needs of its surroundings. */
export interface StartPorts {
  readonly journal: Journal;
  readonly limits: EngineLimits;
  readonly liveness: Standing["liveness"];
}

/** Registers a run; what it is given is what it will have after every restart. */
export function startRun<I>(
  { journal, limits, liveness }: StartPorts,
  def: Pick<WorkflowDef<I, unknown>, "name" | "version">,
  options: StartOptions<I>,
): RunRecord {
  const { id, actor, environment } = options;
  const input = asKept(options.input, limits.payloadBytes, `the input of run "${id}"`);
  const meta = asKept(options.meta ?? null, limits.payloadBytes, `the description of run "${id}"`);
  const supersedes = options.supersedes ?? null;
  return journal.transaction((tx) => {
    const known = tx.run(id);
    if (known !== undefined) {
      const same =
        known.workflow === def.name &&
        known.version === def.version &&
        canonicalJson(known.input) === canonicalJson(input);
      if (same) return known;
      throw new SunnyError("RUN_EXISTS", `Cannot start run ${id}: there is another one with this id`, {
        place: { deployment: id },
      });
    }
    const createdAt = journal.clock.now();
    const within = options.within === undefined ? null : findScope(tx, options.within, { liveness, now: createdAt });
    const run = newRun(def, { id, root: id, environment, actor, input, meta, supersedes, within, createdAt });
    tx.insertRun(run);
    const data = { workflow: def.name, version: def.version, input: digestOf(input), environment, meta, supersedes };
    const row = { op: null, kind: null, attempt: 0, actor } as const;
    const recorded: Json = within === null ? data : { ...data, within: { ...within } };
    tx.append({ ...row, run: id, type: "started", name: null, data: recorded });
    if (within !== null) tx.append({ ...row, run: within.run, type: "nested", name: within.step, data: { run: id } });
    return run;
  });
}
