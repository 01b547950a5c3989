import type { Migration, SchemaObjects, SchemaStore } from "./ports.ts";

/** One object of the schema that is not as it should be. */
export interface SchemaDifference {
  /** "index payments_by_created_at", "column payments.reference". */
  readonly object: string;
  readonly kind: "missing" | "different" | "unexpected";
  readonly message: string;
}

/** What differs between the schema that should be there and the one that is. */
export function schemaDifferences(expected: SchemaObjects, actual: SchemaObjects): SchemaDifference[] {
  const differences: SchemaDifference[] = [];
  for (const [object, definition] of Object.entries(expected)) {
    const found = actual[object];
    if (found === undefined) differences.push({ object, kind: "missing", message: "is missing" });
    else if (found !== definition) {
      differences.push({ object, kind: "different", message: `is ${short(found)}, should be ${short(definition)}` });
    }
  }
  for (const object of Object.keys(actual)) {
    if (!(object in expected)) {
      differences.push({ object, kind: "unexpected", message: "is there, and no migration makes it" });
    }
  }
  return differences.filter((difference) => !explainedByAnother(difference, differences));
}

/** Columns of a missing table, and a table that differs by one of its columns, say nothing new. */
function explainedByAnother({ object, kind }: SchemaDifference, all: readonly SchemaDifference[]): boolean {
  const [type, name = ""] = object.split(" ", 2);
  if (type === "column") {
    const table = `table ${name.slice(0, name.indexOf("."))}`;
    return all.some((other) => other.object === table && other.kind === kind && kind !== "different");
  }
  return type === "table" && kind === "different" && all.some((other) => other.object.startsWith(`column ${name}.`));
}

function short(definition: string): string {
  return definition.length > 160 ? `${definition.slice(0, 157)}...` : definition;
}

/**
 * How many of `migrations`, from the first, a database without a ledger already has: the longest beginning whose schema is
 * the one that is there. Null when there is none, so that nobody knows what to do with it.
 */
export async function recognisedMigrations(
  store: SchemaStore,
  migrations: readonly Migration[],
): Promise<number | null> {
  const actual = await store.objects();
  if (Object.keys(actual).length === 0) return 0;
  for (let count = migrations.length; count > 0; count--) {
    const expected = await store.expected(migrations.slice(0, count));
    if (schemaDifferences(expected, actual).length === 0) return count;
  }
  return null;
}
