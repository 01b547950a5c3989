import { rfc3339 } from "../../clock.ts";
import type { Clock } from "../../clock.ts";
import type { StepScope } from "../../engine/context.ts";
import { sha256 } from "../../json.ts";
import type { ReleaseSource } from "../../operations/rollout/ports.ts";
import type { Transport } from "../../operations/rollout/transport.ts";
import type { Deliveries } from "../../release/delivery.ts";
import type { HostSpec, System } from "../../system/schema.ts";
import { runReading, runScript } from "./run-script.ts";
import type { RunOptions } from "./run-script.ts";
import type { ActivationHost } from "./script-activate.ts";
import type { ScriptFence } from "./script-prelude.ts";
import { serviceFunctions } from "./script-service.ts";
import type { Starter } from "./script-service.ts";
import { field } from "./shell.ts";

export interface HostFleetOptions {
  readonly system: Pick<System, "hosts" | "serviceControl" | "health" | "rollout">;
  readonly transport: (host: HostSpec) => Transport;
  /** Id of the authority that tokens come from: the journal's. */
  readonly authority: string;
  /** Starts supervised services; see `adapters/local/starter.ts`. */
  readonly starter: Starter;
  readonly releases: ReleaseSource;
  /** How releases get to hosts that are reached over a network; without it whole archives are sent. */
  readonly deliveries?: Deliveries;
  /** The newest checkpoint of the audit log, which hosts keep a copy of; without it they keep none. */
  readonly checkpoint?: () => string | null;
  readonly clock: Clock;
}

/** Host names turned into what scripts need. */
export interface HostAccess extends HostFleetOptions {
  spec(host: string): HostSpec;
  place(host: string): ActivationHost;
  /** Runs a script that only reads; 15 s at most. */
  read(host: string, script: string, signal?: AbortSignal): Promise<string>;
  /** Runs a script that changes something, in a step; one that takes long is told in the step's log, with its deadline. */
  change(host: string, script: string, scope: StepScope, options: Omit<RunOptions, "signal" | "log">): Promise<string>;
  fence(scope: StepScope): ScriptFence;
  readonly releaseCheck: System["rollout"]["releaseCheck"];
  /** How long stopping the service may take, milliseconds. */
  readonly stopMs: number;
}

const READ_MS = 15_000;
/** What changes something and takes longer than this may be on its way, or on a host that hangs: whoever watches is told. */
const QUIET_MS = 10_000;
/** systemd's own default (DefaultTimeoutStopSec), for services that Sunny does not stop itself. */
const FOREIGN_STOP_MS = 90_000;

/** Resolves host names, and runs scripts under the right deadline and fence. */
export function hostAccess(options: HostFleetOptions): HostAccess {
  const { system } = options;
  const service = serviceFunctions(system.serviceControl, options.starter);
  const spec = (name: string): HostSpec => {
    const found = system.hosts.find((host) => host.name === name);
    if (found === undefined) throw new TypeError(`no host is called ${name}`);
    return found;
  };
  return {
    ...options,
    spec,
    releaseCheck: system.rollout.releaseCheck,
    stopMs: system.serviceControl.kind === "supervised" ? system.serviceControl.stopTimeoutMs : FOREIGN_STOP_MS,
    place: (name) => ({ root: spec(name).root, service }),
    read: (name, script, signal) =>
      runReading(options.transport(spec(name)), name, script, {
        deadlineMs: READ_MS,
        stays: true,
        ...(signal === undefined ? {} : { signal }),
      }),
    async change(name, script, scope, how) {
      const { clock } = options;
      const until = rfc3339(clock.now() + how.deadlineMs);
      const heard = clock.timer(QUIET_MS, () =>
        scope.log(`${name}: no answer for ${QUIET_MS / 1000} s; it is waited for until ${until}\n`),
      );
      try {
        return await runScript(options.transport(spec(name)), name, script, {
          ...how,
          signal: scope.signal,
          log: scope.log,
        });
      } finally {
        heard();
      }
    },
    fence: (scope) => ({
      authority: field(options.authority),
      token: scope.fence.token,
      // Attempts only count within one step, whose key is too long and too free for a line record.
      key: sha256(scope.idempotencyKey).slice(0, 16),
      attempt: scope.fence.attempt,
    }),
  };
}
