import { RetryableError, TerminalError } from "../../engine/context.ts";
import type { ErrorCode } from "../../error-codes.ts";
import { isSunnyError, SunnyError } from "../../errors.ts";
import type { Transport } from "../../operations/rollout/transport.ts";

export interface RunOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  readonly payloadPath?: string;
  readonly payloadStart?: number;
  readonly fresh?: boolean;
  /** It starts nothing that outlives it. */
  readonly stays?: boolean;
  /** Where output that is no result goes: the step's log. */
  readonly log?: (text: string) => void;
}

/** Refusals after which it is known that nothing was done, and that may pass. */
const PASSING: readonly string[] = ["HOST_BUSY", "HOST_TRANSFER_CUT"];

/**
 * Runs a script of this folder on a host and gives back what it printed.
 *
 * @throws RetryableError HOST_UNREACHABLE and HOST_BUSY, TerminalError with the code that the script gave (`!CODE text`)
 *   or HOST_SCRIPT_FAILED, SunnyError HOST_SCRIPT_LOST when the script did not report its end: the outcome is unknown.
 */
export async function runScript(
  transport: Transport,
  host: string,
  script: string,
  options: RunOptions,
): Promise<string> {
  const { log, ...rest } = options;
  const result = await transport.run(host, script, rest);
  if (result.stderr.trim() !== "") log?.(`${host}: ${result.stderr.trimEnd()}\n`);
  if (result.status === 0) return result.stdout;
  const refusal = /^!([A-Z_]+) ([^]*)$/m.exec(result.stdout);
  if (result.status !== null && refusal !== null) {
    const [, code = "", text = ""] = refusal;
    const message = `${host}: ${text.trim()}`;
    if (PASSING.includes(code)) throw new RetryableError(code, message);
    throw new TerminalError(code, message, { host });
  }
  const output = lastLines(`${result.stdout}\n${result.stderr}`, 5);
  if (result.status === null) {
    const why = {
      deadline: `it took longer than ${options.deadlineMs} ms`,
      aborted: "it was stopped",
      cut: "it was cut off",
    };
    throw new SunnyError(
      "HOST_SCRIPT_LOST",
      `${host}: a script did not report its end, ${why[result.ended ?? "cut"]}`,
      {
        hint: "What it did is read from the host before anything else is done there.",
        details: { host, output, ended: result.ended ?? "cut" },
      },
    );
  }
  const code: ErrorCode = "HOST_SCRIPT_FAILED";
  throw new TerminalError(code, `${host}: a script ended with status ${result.status}: ${output}`, { host, output });
}

/**
 * The same for a script that only reads: where the connection was cut under it, another one is made, since reading twice
 * does no harm.
 */
export async function runReading(
  transport: Transport,
  host: string,
  script: string,
  options: RunOptions,
): Promise<string> {
  try {
    return await runScript(transport, host, script, options);
  } catch (error) {
    const lost = isSunnyError(error) && error.code === "HOST_SCRIPT_LOST";
    if (!lost || error.details["ended"] !== "cut") throw error;
    return runScript(transport, host, script, options);
  }
}

function lastLines(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}
