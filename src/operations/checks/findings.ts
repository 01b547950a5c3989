import { z } from "zod";
import { TerminalError, type DurableContext, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { Finding, OperationCall, OperationReport } from "../../operation.ts";

/** For operations that take no arguments. */
export const noArguments = z.strictObject({ _: z.array(z.string()).max(0, "takes no arguments").default([]) });

/** What was looked at and is as it should be. */
export function good(subject: string, message: string): Finding {
  return { subject, ok: true, message };
}

/** What was looked at and is not as it should be. */
export function bad(subject: string, message: string): Finding {
  return { subject, ok: false, message };
}

/**
 * Looks at one thing: a sentence says that it is good, a finding says either. What `look` throws becomes a finding that
 * names the subject, so that one broken thing does not hide the others; only an abort goes through.
 */
export async function looked(
  subject: string,
  signal: AbortSignal,
  look: () => Promise<string | Finding | readonly Finding[]>,
): Promise<Finding[]> {
  try {
    const found = await look();
    if (typeof found === "string") return [good(subject, found)];
    return Array.isArray(found) ? [...(found as readonly Finding[])] : [found as Finding];
  } catch (error) {
    if (signal.aborted) throw error;
    return [bad(subject, messageOf(error))];
  }
}

/**
 * The report of a check, when everything is as it should be.
 *
 * @throws TerminalError CHECK_FAILED naming everything that is broken, with all findings in its details
 */
export function concluded(findings: readonly Finding[], summary: string, data?: Json): OperationReport {
  const broken = findings.filter((finding) => !finding.ok);
  if (broken.length === 0) return { summary, findings, ...(data === undefined ? {} : { data }) };
  const named = broken.map(({ subject, message }) => `${subject}: ${message.replaceAll(/\s*\n\s*/g, " ")}`).join("; ");
  const count = `${broken.length} of ${findings.length} ${findings.length === 1 ? "check" : "checks"} failed`;
  throw new TerminalError("CHECK_FAILED", `${count}: ${named}`, { findings: findings as unknown as Json });
}

/** Runs `look` as one durable step that changes nothing, named `<plan step>/<part>`. */
export function readStep<T>(
  ctx: DurableContext,
  call: Pick<OperationCall<unknown>, "stepName">,
  part: string,
  deadlineMs: number,
  look: (scope: StepScope) => Promise<T>,
): Promise<T> {
  return ctx.step(`${call.stepName}/${part}`, look, {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs,
  });
}

/** "3.2 MiB", for messages. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** "3 days", "2 hours", "40 s", "12 ms", for messages. */
export function durationText(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (size < 7_200_000) return `${Math.round(ms / 60_000)} minutes`;
  if (size < 172_800_000) return `${Math.round(ms / 3_600_000)} hours`;
  return `${Math.floor(ms / 86_400_000)} days`;
}

/** Before it nothing runs: neither service nor version can be asked for. */
export function isFirstDeployment({ release, previous, mode }: OperationCall<unknown>): boolean {
  return mode === "deploy" && release !== null && previous === null;
}
