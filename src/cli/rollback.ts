import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { Sunny } from "../main.ts";
import { carryOut, execute } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { planFor } from "./make-plan.ts";
import { runbookOf } from "./read-runbook.ts";
import { occupantOf } from "./occupied.ts";
import { requestAndWait } from "./request.ts";
import { lastChange, planOf } from "./runs.ts";
import { isMisfit, takeBackRecorded } from "./take-back.ts";
import type { Configure } from "./configure.ts";

interface Options {
  readonly version?: string;
  readonly gradual?: boolean;
  readonly hosts?: string;
  readonly reason?: string;
  readonly runbook?: string;
}

export const configure: Configure = (command, context) => {
  command
    .option("--version <version>", "where to go (default: the release before the newest deployment)")
    .option("--gradual", "host by host, shifting the traffic in steps while watching")
    .option("--hosts <names>", "with --gradual: the problematic hosts, comma-separated (default: all)")
    .option("--runbook <file>", "instead of the configured one")
    .option("--reason <text>", "why, for the record")
    .action(async (options: Options) => rollback(context, await context.sunny(), options));
};

async function rollback(context: CliContext, sunny: Sunny, options: Options): Promise<void> {
  const occupant = occupantOf(sunny);
  if (occupant !== null) return takeBackOccupant(context, sunny, occupant, options);
  const read = await runbookOf(context, sunny, options);
  const target = options.version ?? lastChange(sunny)?.previous?.version;
  if (target === undefined) {
    throw new SunnyError("USAGE", "There is no deployment here that could be taken back", {
      hint: "Name the version with --version; `sunny release list` shows what is in the store.",
    });
  }
  const plan = await planFor(
    context,
    sunny,
    { ...read, diagnostics: [] },
    {
      subject: { kind: "rollback", gradual: await gradualArguments(sunny, options, target) },
      target,
      reason: options.reason ?? "",
    },
  );
  await carryOut(context, sunny, plan);
}

async function gradualArguments(sunny: Sunny, options: Options, version: string): Promise<Json | null> {
  if (options.gradual !== true) {
    if (options.hosts === undefined) return null;
    throw new SunnyError("USAGE", "--hosts goes with --gradual: an immediate rollback takes every host back", {
      hint: "Add --gradual.",
    });
  }
  const operation = (await sunny.operations()).get("gradual-rollback");
  const parsed = operation?.args.safeParse({
    _: [],
    version,
    ...(options.hosts === undefined ? {} : { hosts: options.hosts }),
  });
  const about = { release: null, previous: null };
  const wrong = parsed?.success === true ? operation?.check?.(parsed.data, sunny.system, about) : undefined;
  if (parsed?.success === true && (wrong ?? null) === null) return parsed.data as Json;
  throw new SunnyError(
    "USAGE",
    `Cannot roll back gradually: ${wrong ?? parsed?.error?.issues[0]?.message ?? "no such operation"}`,
    {
      hint: "`--hosts web-1,web-2` names hosts of the configuration.",
    },
  );
}

/** A deployment in the middle of its way goes back by its own plan; whoever carries it out does it, or this process. */
async function takeBackOccupant(context: CliContext, sunny: Sunny, occupant: string, options: Options): Promise<void> {
  const run = sunny.journal.read.run(occupant);
  if (run === undefined) throw new Error(`the occupant ${occupant} is not in the journal`);
  const plan = planOf(run);
  if (plan.kind === "rollback" && !isMisfit(sunny, run)) {
    const open = run.state === "held" ? `sunny resolve ${occupant}` : `sunny resume ${occupant}`;
    throw new SunnyError("ENVIRONMENT_OCCUPIED", `${occupant} is a rollback itself, and it is ${run.state}`, {
      hint: sunny.isCarriedOut(occupant)
        ? `\`sunny watch ${occupant}\` shows how far it is.`
        : `Bring it to its end with \`${open}\` first.`,
    });
  }
  const wanted = options.version;
  const target = (plan.kind === "rollback" ? plan.previous : plan.rollback?.target)?.version;
  if (wanted !== undefined && wanted !== target) {
    throw new SunnyError(
      "ENVIRONMENT_OCCUPIED",
      `${occupant} is on its way and goes back to ${target ?? "nothing"}, not to ${wanted}`,
      {
        hint: `Run \`sunny rollback\` for ${target ?? "its end"} first, then \`sunny rollback --version ${wanted}\`.`,
      },
    );
  }
  if (isMisfit(sunny, run) && !sunny.isCarriedOut(occupant))
    return takeBackRecorded(context, sunny, run, options.reason);
  const reason = { kind: "abort", by: context.actor, detail: options.reason ?? "rollback" } as const;
  if (sunny.isCarriedOut(occupant)) {
    await requestAndWait(context, occupant, { kind: "interrupt", reason }, options.reason, "goes back");
    return;
  }
  sunny.engine.interrupt(occupant, reason);
  await execute(context, sunny, occupant);
}
