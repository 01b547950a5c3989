import type { ReleaseRef } from "../../operation.ts";
import type { DatabasePorts } from "./ports.ts";
import { targetOf } from "./rollback-db.ts";

/**
 * Which migrations a release needs that are not in force. None where that is not known: nothing was ever migrated, or the
 * database or the release cannot be read, which is no reason to keep hosts from going back.
 */
export async function missingMigrations(
  ports: Pick<DatabasePorts, "schema" | "migrations" | "releases">,
  version: string,
  previous: ReleaseRef | null,
): Promise<readonly string[]> {
  try {
    const { applied } = await ports.schema.state();
    if (applied.length === 0) return [];
    const needed = await targetOf(ports, version, previous);
    return needed.filter((id) => !applied.some((one) => one.id === id));
  } catch {
    return [];
  }
}
