import { TerminalError } from "../../engine/context.ts";
import type { DurableContext, RetryPolicy, Settled, StepCall, StepFailedError, StepFn } from "../../engine/context.ts";
import type { ErrorCode } from "../../error-codes.ts";
import type { Finding } from "../../operation.ts";

/** A host that does not answer may answer in a moment; more than this is a failure of its turn. */
const RETRY: RetryPolicy = { maxAttempts: 4, initialMs: 500, factor: 2, maxMs: 5_000 };

export interface StepSpec<T> {
  readonly name: string;
  readonly run: StepFn<T>;
  readonly deadlineMs: number;
  readonly retry?: RetryPolicy;
  /** Default: the target refuses an older fence itself. */
  readonly target?: "fenced" | "bounded";
}

/** A step that changes nothing. */
export function reading<T>(spec: StepSpec<T>): StepCall<T> {
  const { name, run, deadlineMs, retry = RETRY } = spec;
  return { name, fn: run, options: { disposition: { kind: "idempotent", readOnly: true }, deadlineMs, retry } };
}

/** A step that orders a state: running it again does no harm. */
export function ordering<T>(spec: StepSpec<T>): StepCall<T> {
  const { name, run, deadlineMs, retry = RETRY, target = "fenced" } = spec;
  return { name, fn: run, options: { disposition: { kind: "idempotent" }, deadlineMs, retry, target } };
}

/** Runs one step, and fails as operations do. */
export async function one<T>(ctx: DurableContext, call: StepCall<T>): Promise<T> {
  const [value] = await all(ctx, [{ subject: call.name, call }]);
  return value as T;
}

/** A step and what it is about: a host, for findings. */
export interface Subjected<T> {
  readonly subject: string;
  readonly call: StepCall<T>;
}

/** Runs steps at once, and gives each one's end back with its subject. */
export async function settle<T>(
  ctx: DurableContext,
  calls: readonly Subjected<T>[],
): Promise<{ readonly subject: string; readonly end: Settled<T> }[]> {
  if (calls.length === 0) return [];
  const ends = await ctx.parallel(calls.map(({ call }) => call));
  return ends.map((end, index) => ({ subject: calls[index]?.subject ?? "", end }));
}

/**
 * Runs steps at once; when any failed, throws one error that names all of them, since the first failure must not hide
 * the others.
 */
export async function all<T>(ctx: DurableContext, calls: readonly Subjected<T>[]): Promise<T[]> {
  const ends = await settle(ctx, calls);
  const failed = ends.flatMap(({ subject, end }) => (end.ok ? [] : [{ subject, error: end.error }]));
  if (failed.length > 0) throw failure(failed);
  return ends.flatMap(({ end }) => (end.ok ? [end.value] : []));
}

function failure(failed: readonly { subject: string; error: StepFailedError }[]): TerminalError {
  const findings = failed.map(({ subject, error }) => ({ subject, ok: false, message: error.message }));
  const message = failed.map(({ error }) => error.message).join("; ");
  return refusal((failed[0]?.error.code ?? "INTERNAL") as ErrorCode, message, findings);
}

/** The error of an operation: what could not be done, and what was found. */
export function refusal(code: ErrorCode, message: string, findings: readonly Finding[] = []): TerminalError {
  return new TerminalError(code, message, { findings: findings.map((finding) => ({ ...finding })) });
}
