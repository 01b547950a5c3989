import type { StepScope } from "../../engine/context.ts";
import { sha256 } from "../../json.ts";
import type { Transport } from "../../operations/rollout/transport.ts";
import { runReading, runScript } from "./run-script.ts";
import { changingPrelude, readingPrelude } from "./script-prelude.ts";
import type { ScriptFence } from "./script-prelude.ts";
import { adoptScript } from "./script-read.ts";
import { field, fromField } from "./shell.ts";

export interface HostCommandsOptions {
  readonly host: string;
  /** Where the host's lock and fence are kept, as for a host of the service. */
  readonly root: string;
  readonly transport: Transport;
  readonly authority: string;
}

const COMMAND_MS = 60_000;

/**
 * Lets other parts of Sunny run scripts of their own on a host, under its lock and its fence where they change
 * something. A script may call `fail CODE TEXT` and `return`.
 *
 * @throws as `runScript`
 */
export function hostCommands(options: HostCommandsOptions): {
  read(script: string, signal?: AbortSignal): Promise<string>;
  change(script: string, scope: StepScope): Promise<string>;
  /** Takes the host over for this authority, whoever it belonged to. */
  adopt(scope: StepScope): Promise<{ readonly from: string | null }>;
} {
  const { host, root, transport, authority } = options;
  const fenceOf = ({ fence: { token, attempt }, idempotencyKey }: StepScope): ScriptFence => {
    return { authority: field(authority), token, key: sha256(idempotencyKey).slice(0, 16), attempt };
  };
  return {
    read(script, signal) {
      const whole = `${readingPrelude({ root })}\n${script}`;
      return runReading(transport, host, whole, {
        deadlineMs: COMMAND_MS,
        ...(signal === undefined ? {} : { signal }),
      });
    },
    change(script, scope) {
      const prelude = changingPrelude({ root }, fenceOf(scope));
      // In a function, so that a `return` of the script still lets the lock go.
      const whole = `${prelude}\nwork() {\n${script}\n}\nenter\nwork\nended=$?\nunlock\nreturn "$ended"`;
      return runScript(transport, host, whole, { deadlineMs: COMMAND_MS, signal: scope.signal, log: scope.log });
    },
    async adopt(scope) {
      const whole = adoptScript({ root }, fenceOf(scope));
      const how = { deadlineMs: COMMAND_MS, signal: scope.signal, log: scope.log };
      const output = await runScript(transport, host, whole, how);
      return { from: fromField(/^from (.+)$/m.exec(output)?.[1] ?? "-") };
    },
  };
}
