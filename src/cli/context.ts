import { rfc3339, systemClock, type Clock } from "../clock.ts";
import type { LoadedSystem } from "../system/load.ts";
import type { Sunny } from "../main.ts";
import type { PlanStep, PlanWithin } from "../plan/model.ts";
import { createOutput, type Output } from "./output.ts";

/** The running step of another run, by which a command was called. */
export interface WithinStep {
  /** Proves it to the engine. */
  readonly token: string;
  readonly plan: PlanWithin;
  readonly step: PlanStep;
  /** What that run deploys: commands of its steps are about the same. */
  readonly release: string | null;
  /** The run that occupies the environment. */
  readonly host: string;
}

/** What every verb is given. */
export interface CliContext {
  readonly output: Output;
  readonly clock: Clock;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly color: boolean;
  readonly interactive: boolean;
  /** The person on whose behalf the command runs. */
  readonly actor: string;
  /** The running step of a deployment that has called the command, once it is known (`withinStep`). */
  readonly within?: WithinStep;
  /** Aborts on SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  system(): Promise<LoadedSystem>;
  /** Opens journal, audit log and adapters; closed when the command ends. */
  sunny(): Promise<Sunny>;
  /** Sets what the process exits with. */
  exit(status: number): void;
}

/** Options that every verb takes, and what the verb itself says. */
export interface GlobalOptions {
  /** Without the inventory the verb is refused; others go on with what it listed last. */
  readonly needsInventory?: boolean;
  /** Connections are made anew, also where an earlier command kept some. */
  readonly connectsAnew?: boolean;
  readonly config?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly as?: string;
}

/** What a command leaves behind: its exit status and what must be closed. */
export interface ContextState {
  status: number;
  opened: Sunny | undefined;
  /** Where the command wrote, once it has begun. */
  output: Output | undefined;
}

function tellStale({ why, readAt }: NonNullable<LoadedSystem["stale"]>, output: Output): void {
  const at = rfc3339(readAt);
  output.note(`${why}\nGoing on with the hosts that it listed at ${at}.`);
  output.event("inventory-stale", { why, readAt: at });
}

/** Builds the context of one command. */
export async function createContext(
  options: GlobalOptions,
  process: NodeJS.Process,
  signal: AbortSignal,
  state: ContextState,
): Promise<CliContext> {
  const { env, stdout, stderr } = process;
  const json = options.json === true;
  const noColor = options.color === false || (env["NO_COLOR"] ?? "") !== "";
  const forced = (env["FORCE_COLOR"] ?? "") !== "" && env["FORCE_COLOR"] !== "0";
  const cwd = process.cwd();
  let loaded: Promise<LoadedSystem> | undefined;
  const system = (): Promise<LoadedSystem> => {
    loaded ??= load(options.config ?? (env["SUNNY_CONFIG"] === "" ? undefined : env["SUNNY_CONFIG"]));
    return loaded;
  };
  const load = async (file: string | undefined): Promise<LoadedSystem> => {
    const { loadSystem } = await import("../system/load.ts");
    const found = await loadSystem(file, cwd, { lastHosts: options.needsInventory !== true });
    if (found.stale !== undefined) tellStale(found.stale, output);
    return found;
  };
  const { userInfo } = await import("node:os");
  const output = createOutput({ json, stdout, stderr, clock: systemClock });
  state.output = output;
  return {
    output,
    clock: systemClock,
    cwd,
    env,
    color: !noColor && (forced || stdout.isTTY),
    interactive: stdout.isTTY && !json,
    actor: options.as ?? env["SUNNY_ACTOR"] ?? userInfo().username,
    signal,
    system,
    async sunny() {
      if (state.opened === undefined) {
        const { openSunny } = await import("../main.ts");
        state.opened = await openSunny(await system(), {
          clock: systemClock,
          connectsAnew: options.connectsAnew === true,
        });
      }
      return state.opened;
    },
    exit(status) {
      state.status = status;
    },
  };
}
