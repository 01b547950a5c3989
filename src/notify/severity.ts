import type { Severity } from "./notice.ts";

const ORDER: readonly Severity[] = ["info", "warning", "critical"];

/** True when `severity` is `floor` or worse. */
export function atLeast(severity: Severity, floor: Severity): boolean {
  return ORDER.indexOf(severity) >= ORDER.indexOf(floor);
}
