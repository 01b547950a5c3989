import { digestOf } from "../../json.ts";
import { defineOperation, type Finding, type Operation, type OperationCall } from "../../operation.ts";
import { bad, concluded, good, looked, noArguments, readStep } from "../checks/findings.ts";
import { requireRelease } from "./migrate.ts";
import { ledgerProblems, parseMigrations } from "./migrations.ts";
import type { DatabasePorts, Migration } from "./ports.ts";
import { schemaDifferences } from "./schema-difference.ts";

type VerifyPorts = Pick<DatabasePorts, "schema" | "migrations">;

/** `verify-migrations`: compares ledger and schema with what the release's migrations make of an empty database. */
export function verifyMigrationsOperation(ports: VerifyPorts): Operation {
  return defineOperation({
    name: "verify-migrations",
    script: "sh",
    title: "Checks that the database has the release's migrations, whole and unaltered",
    args: noArguments,
    changes: [],
    deadlineMs: 300_000,
    run: async (ctx, call) => {
      const release = requireRelease(call);
      const found = await readStep(ctx, call, "check", 300_000, (scope) => verify(ports, call, scope.signal));
      const count = found.applied.length;
      return concluded(
        found.findings,
        `${ports.schema.name} has the schema of ${release.version}: ${count} ${count === 1 ? "migration" : "migrations"}, sound`,
        { applied: found.applied, schema: found.digest },
      );
    },
  });
}

async function verify(
  { schema, migrations: source }: VerifyPorts,
  call: OperationCall<unknown>,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; applied: string[]; digest: string }> {
  const release = requireRelease(call);
  const migrations = parseMigrations(await source.read(release), release);
  const { applied } = await schema.state(signal);
  const wrong = ledgerProblems(applied, migrations, release);
  const actual = await schema.objects(signal);
  const findings = [
    ...migrations.map((migration) =>
      recorded(
        migration,
        applied.map(({ id }) => id),
      ),
    ),
    ...wrong.map(({ id, message }) => bad(`migration ${id}`, message)),
    ...(await looked("schema", signal, async () => {
      const differences = schemaDifferences(await schema.expected(migrations, signal), actual);
      const broken = differences.filter(({ kind }) => kind !== "unexpected");
      if (broken.length > 0) return broken.map(({ object, message }) => bad(object, message));
      const extra = differences.map(({ object }) => object);
      return extra.length === 0
        ? "every table, column and index is as the migrations make it"
        : `complete; no migration makes ${extra.join(", ")}`;
    })),
    ...(await looked("integrity", signal, async () => {
      const problems = await schema.problems(signal);
      if (problems.length > 0) return problems.map((problem) => bad("integrity", problem));
      return "quick check passed, no reference is broken";
    })),
  ];
  return { findings, applied: applied.map(({ id }) => id), digest: digestOf(actual) };
}

function recorded({ id }: Migration, applied: readonly string[]): Finding {
  return applied.includes(id) ? good(`migration ${id}`, "is applied") : bad(`migration ${id}`, "is not applied");
}
