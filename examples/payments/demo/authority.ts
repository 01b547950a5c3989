import { openRecords } from "../../../src/wiring/records.ts";
import type { Clock } from "../../../src/clock.ts";
import type { System } from "../../../src/system/schema.ts";

/** The id of the journal that will deploy to the demo's hosts; the journal is made when there is none. */
export function authorityOf(system: System, clock: Clock): string {
  const records = openRecords(system, clock);
  try {
    return records.journal.authority;
  } finally {
    records.close();
  }
}
