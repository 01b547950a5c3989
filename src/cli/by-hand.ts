import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { Sunny } from "../main.ts";
import type { Operation } from "../operation.ts";
import { argumentProblems } from "../plan/argument-problems.ts";
import { optionsOf } from "../plan/arguments.ts";
import type { System } from "../system/schema.ts";
import { carryOut } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { planFor } from "./make-plan.ts";
import { runbookOf } from "./read-runbook.ts";
import { requireFree } from "./occupied.ts";
import { requireDeclared, withinStep } from "./within.ts";

/** What a person gave, as the operation takes it on this system. @throws USAGE */
export function validArguments(
  operation: Operation,
  raw: unknown,
  system: System,
  hint = `\`sunny run ${operation.name} --help\` lists what it takes.`,
): Json {
  const parsed = operation.args.safeParse(raw);
  const wrong = parsed.success
    ? operation.check?.(parsed.data, system, { release: null, previous: null })
    : argumentProblems(parsed.error, raw, optionsOf(operation));
  if (parsed.success && (wrong ?? null) === null) return parsed.data as Json;
  throw new SunnyError("USAGE", `Wrong arguments of ${operation.name}: ${wrong ?? ""}`, { hint });
}

export interface ByHand {
  /** The verb that the person called. */
  readonly verb: string;
  /** The operation. */
  readonly name: string;
  readonly raw: unknown;
  readonly reason: string;
}

/** Plans one operation that changes something and carries it out, as `sunny run NAME` does: same lease, journal, audit. */
export async function runByHand(context: CliContext, sunny: Sunny, { verb, name, raw, reason }: ByHand): Promise<void> {
  const operation = (await sunny.operations()).get(name);
  if (operation === undefined) throw new Error(`the catalogue lacks the operation ${name}`);
  const args = validArguments(operation, raw, sunny.system, `\`sunny ${verb} --help\` lists the options.`);
  const called = withinStep(context, sunny);
  requireFree(sunny, called.within?.host);
  const read = await runbookOf(called, sunny, {});
  const plan = await planFor(
    called,
    sunny,
    // By hand nothing of the runbook but its windows and gates matters: what is wrong elsewhere in it may stay so.
    { ...read, diagnostics: [] },
    { subject: { kind: "run", operation, args }, reason },
  );
  if (called.within !== undefined) requireDeclared(called.within, plan);
  await carryOut(called, sunny, plan);
}
