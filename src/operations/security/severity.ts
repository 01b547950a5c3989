import type { Finding } from "../../operation.ts";

/** How bad a weakness is: `high` fails the test, the others are reported. */
export type Severity = "high" | "medium" | "low";

/** One thing that an attacker could use. */
export interface Weakness extends Finding {
  readonly severity: Severity | null;
}

/** What was tried and gave nothing. */
export function safe(subject: string, message: string): Weakness {
  return { subject, ok: true, message, severity: null };
}

/** What was found. */
export function weak(severity: Severity, subject: string, message: string): Weakness {
  return { subject, ok: severity !== "high", message: `${severity}: ${message}`, severity };
}
