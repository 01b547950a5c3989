import { readFileSync } from "node:fs";
import path from "node:path";
import { messageOf, SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { Diagnostic } from "../runbook/diagnostic.ts";
import type { Runbook } from "../runbook/model.ts";
import type { CliContext } from "./context.ts";
import type { PlanOptions } from "./make-plan.ts";

/** A runbook that was read, with what is wrong with it and the text for excerpts. */
export interface ReadRunbook {
  readonly runbook: Runbook;
  readonly diagnostics: readonly Diagnostic[];
  readonly text: string;
}

/** @throws FILE_UNREADABLE */
export async function readRunbook(file: string, shown: string): Promise<ReadRunbook> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot read the runbook: ${messageOf(error)}`, {
      place: { file: shown },
      hint: "Name it with --runbook FILE, or under `runbook` in the configuration.",
      cause: error,
    });
  }
  const { parseRunbook } = await import("../runbook/parse.ts");
  return { ...parseRunbook(text, file), text };
}

/** The configured runbook, or the one that the options name. */
export function runbookOf(
  context: CliContext,
  sunny: Sunny,
  options: Pick<PlanOptions, "runbook">,
): Promise<ReadRunbook> {
  const file = options.runbook === undefined ? sunny.system.runbook : path.resolve(context.cwd, options.runbook);
  return readRunbook(file, file);
}
