import { SunnyError } from "../errors.ts";
import type { OperationRecord } from "./history.ts";
import type { OperationKind } from "./rows.ts";

/** Whether the operation that workflow code calls is the one that the journal has at this place. */
export function fits(record: OperationRecord, kind: OperationKind, names: readonly string[]): boolean {
  if (record.kind !== kind) return false;
  return record.entries.length === 0 ? record.name === names[0] : sameNames(record, names);
}

function sameNames(record: OperationRecord, names: readonly string[]): boolean {
  return record.entries.length === names.length && record.entries.every(({ name }, i) => name === names[i]);
}

/** An operation as messages name it. */
export function nameOf(record: OperationRecord): string {
  const names = record.entries.length === 0 ? [record.name] : record.entries.map(({ name }) => name);
  return `${record.kind} "${names.join('", "')}"`;
}

/** Journal and code do not do the same. */
export function mismatch(run: string, op: number, journaled: string, called: string): SunnyError {
  return new SunnyError(
    "REPLAY_MISMATCH",
    `Cannot go on with run ${run}: at position ${op} its journal has ${journaled}, its code calls ${called}`,
    { place: { deployment: run }, hint: "Resume it with the Sunny that started it." },
  );
}

/** A run has one operation at a time: what goes on beside it could not be replayed. */
export function pendingError(run: string, pending: string, called: string): SunnyError {
  return new SunnyError("OPERATION_PENDING", `Run ${run} came to ${called} while ${pending} was pending`, {
    place: { deployment: run },
    hint: "Use `parallel` or `children` for work that goes on at once.",
  });
}
