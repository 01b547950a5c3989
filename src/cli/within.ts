import { fstatSync, readSync } from "node:fs";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { planSteps, type Plan, type PlanStep } from "../plan/model.ts";
import type { CliContext, WithinStep } from "./context.ts";
import { planOf } from "./runs.ts";

/** More than any token is long. */
const TOKEN_BYTES = 1_024;

/**
 * The context of a command that a running step has called: it acts as part of that step, and for whoever started its run.
 * The same context when no step has called it.
 * @throws SCOPE_ENDED when that step is over
 */
export function withinStep(context: CliContext, sunny: Sunny): CliContext {
  const token = inheritedToken(context);
  if (token === null) return context;
  const { within, run, host } = sunny.engine.scopeOf(token);
  const plan = planOf(run);
  const step = stepOf(plan, within.step);
  const named = { run: run.id, step: step.id, digest: plan.digest };
  return {
    ...context,
    actor: run.actor,
    within: { token, plan: named, step, release: plan.release?.version ?? null, host: host.id },
  };
}

/**
 * Refuses what the step was not declared to change: gates, windows and approvals were given to what its plan says.
 * @throws SCOPE_EXCEEDED
 */
export function requireDeclared(within: WithinStep, plan: Plan): void {
  const declared = within.step.changes;
  if (declared.includes("unknown")) return;
  const changes = [...new Set(planSteps(plan).flatMap((step) => step.changes))];
  const more = changes.filter((subject) => !declared.includes(subject));
  if (more.length === 0) return;
  const what = planSteps(plan)[0]?.operation ?? "the command";
  const allowed = declared.length === 0 ? "to change nothing" : `to change only: ${declared.join(", ")}`;
  throw new SunnyError(
    "SCOPE_EXCEEDED",
    `${what} changes ${more.join(", ")}, and the step "${within.step.title}" of ${within.plan.run}, which called it, is declared ${allowed}`,
    {
      place: { deployment: within.plan.run, step: within.step.id },
      hint: `Nothing was changed. Declare it under commands["${within.step.text}"].changes in the configuration, and plan again.`,
    },
  );
}

/** What stands in the file behind the inherited descriptor; a program on the way may have closed it. */
function inheritedToken({ env, output }: CliContext): string | null {
  const name = env["SUNNY_SCOPE_FD"] ?? "";
  if (name === "") return null;
  try {
    const fd = Number(name);
    if (!Number.isInteger(fd) || fd < 3 || !fstatSync(fd).isFile()) throw new Error("it is no file");
    // Read by position: whoever else has inherited it shares its offset.
    const bytes = Buffer.alloc(TOKEN_BYTES);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, TOKEN_BYTES, 0)).trim();
  } catch {
    output.note(
      `SUNNY_SCOPE_FD names descriptor ${name}, and there is none: a program in between has closed it. This command stands by itself.`,
    );
    return null;
  }
}

/** Durable steps are named after the plan's: its id, and what follows it after a slash. */
export function stepOf(plan: Plan, name: string): PlanStep {
  const all = [...planSteps(plan), ...(plan.rollback?.steps ?? [])];
  const found = all
    .filter(({ id }) => name === id || name.startsWith(`${id}/`))
    .toSorted((a, b) => b.id.length - a.id.length)[0];
  if (found === undefined) throw new Error(`the plan has no step for ${name}`);
  return found;
}
