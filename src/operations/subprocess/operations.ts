import path from "node:path";
import { z } from "zod";
import { RetryableError, TerminalError, type DurableContext, type StepScope } from "../../engine/context.ts";
import { defineOperation, type Operation, type OperationCall, type OperationReport } from "../../operation.ts";
import { scrubber } from "../../secret.ts";
import type { ProcessResult, SubprocessPorts } from "./ports.ts";

/** Without another limit in the runbook or the configuration. */
const TIMEOUT_MS = 600_000;
/** From the end of the program's own time to that of the step: SIGTERM, SIGKILL, and what is left in the pipes. */
const GRACE_MS = 15_000;

const args = z
  .strictObject({
    _: z.array(z.string()).max(0).default([]),
    /** A program and its arguments; no shell is involved. */
    argv: z.array(z.string()).min(1).optional(),
    /** The script that `argv` starts, with the SHA-256 of what was planned. */
    script: z.strictObject({ file: z.string(), sha256: z.string() }).optional(),
    /** Shell text; placeholders have become references to `variables`. */
    source: z.string().min(1).optional(),
    variables: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
    title: z.string().default("command"),
    disposition: z.enum(["idempotent", "probe", "manual"]).default("manual"),
    maxAttempts: z.int().min(1).max(20).default(1),
    timeoutMs: z.int().min(1).optional(),
  })
  .refine((value) => (value.argv === undefined) !== (value.source === undefined), "needs either argv or source");
type Args = z.output<typeof args>;

/** How a program ended, as it is kept. */
type Ended = { readonly status: number };

/**
 * `subprocess`: a command of the runbook that is none of Sunny's operations. It runs in the runbook's folder, in a process
 * group of its own, with a small environment and no input. What it changes is unknown, unless the configuration says so.
 */
export function subprocessOperations(ports: SubprocessPorts): Operation[] {
  return [
    defineOperation<Args>({
      name: "subprocess",
      script: null,
      title: "Runs a command or a script of somebody else's",
      args,
      changes: ["unknown"],
      deadlineMs: TIMEOUT_MS + GRACE_MS,
      run: (ctx, call) => runCommand(ports, ctx, call),
      wayBack: { kind: "none", why: "Sunny does not know what the command changes, nor how to take it back" },
    }),
  ];
}

async function runCommand(
  ports: SubprocessPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
): Promise<OperationReport> {
  const { disposition, maxAttempts, title, timeoutMs = TIMEOUT_MS } = call.args;
  // A probe would need a question that only the command's author knows.
  const again = disposition === "idempotent";
  const intended = shown(call.args);
  await ctx.step<Ended>(`${call.stepName}/run`, (scope) => execute(ports, call, scope, timeoutMs), {
    disposition: again ? { kind: "idempotent" } : { kind: "manual", intended, whenDone: { status: 0 } },
    deadlineMs: timeoutMs + GRACE_MS,
    retry: { maxAttempts: again ? maxAttempts : 1 },
    target: "bounded",
  });
  return {
    summary: `${title}: done`,
    findings: [{ subject: intended, ok: true, message: "exit status 0" }],
    data: { status: 0 },
  };
}

async function execute(
  ports: SubprocessPorts,
  call: OperationCall<Args>,
  scope: StepScope,
  timeoutMs: number,
): Promise<Ended> {
  const { argv, script, source, variables } = call.args;
  const words = argv ?? [...ports.shell, source ?? ""];
  const result = await ports.processes.run(
    {
      argv: words as [string, ...string[]],
      cwd: path.dirname(call.system.runbook),
      env: { ...ports.environment, ...variables },
      ...(script === undefined ? {} : { script }),
      deadlineMs: timeoutMs,
      ...(scope.openScope === undefined ? {} : { scope: scope.openScope() }),
      ...(scope.spawned === undefined ? {} : { onStarted: scope.spawned }),
      onOutput: scope.log,
    },
    scope.signal,
  );
  if (result.ended === "aborted") scope.signal.throwIfAborted();
  // It may have done all of its work, or half of it: an unknown outcome, for the disposition to settle.
  if (result.ended !== null)
    throw new Error(`\`${shown(call.args)}\` did not end within ${timeoutMs} ms and was ended`);
  if (result.status === 0) return { status: 0 };
  const message = `\`${shown(call.args)}\` ${ending(result)}${lastWords(result)}`;
  if (call.args.disposition === "idempotent") throw new RetryableError("SUBPROCESS_FAILED", message);
  throw new TerminalError("SUBPROCESS_FAILED", message, { status: result.status, signal: result.signal });
}

function ending({ status, signal }: ProcessResult): string {
  return status === null ? `was ended by ${signal ?? "a signal"}` : `ended with exit status ${status}`;
}

/** The end of what it said, since that is where programs say why. */
function lastWords({ stderr, stdout }: ProcessResult): string {
  const lines = (stderr.trim() === "" ? stdout : stderr).trim().split("\n").slice(-3);
  const text = scrubber([])(lines.map((line) => line.trim()).join(" / ")).slice(0, 400);
  return text === "" ? "" : `: ${text}`;
}

function shown({ argv, source }: Args): string {
  const text = (argv?.join(" ") ?? source ?? "").replaceAll(/\s+/g, " ").trim();
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
