import { holdsCode } from "./block.ts";
import type { Phase } from "./model.ts";
import { allBlocks, hasCode } from "./outline.ts";
import type { Section } from "./outline.ts";
import { readProcedure } from "./procedure.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { isSecondOption } from "./titles.ts";

/** Reads every section that deploys, in the order of the file. */
export function readPhases(reading: Reading, sections: readonly Recognised[]): Phase[] {
  const planned = new Set<string>();
  const phases: Phase[] = [];
  for (const { kind, section } of sections) {
    if (kind === "deployment") for (const part of partsOf(section)) phases.push(...readPhase(reading, part, planned));
    if (kind === "phase") phases.push(...readPhase(reading, section, planned));
    if ((kind === "checklist" || kind === "post-deployment") && hasCode(section)) {
      phases.push(...readPhase(reading, section, planned));
      if (kind === "checklist") report(reading, "RB110", section, "The commands of this checklist run as a phase.");
    }
  }
  checkNumbers(reading, phases);
  return phases;
}

/** The sub-sections of a deployment, or itself; a sub-section that only groups others stands for those. */
function partsOf(section: Section): Section[] {
  const own = doesSomething(section) ? [{ ...section, children: [] }] : [];
  return [...own, ...section.children.flatMap(expand)];
}

function expand(section: Section): Section[] {
  const groups = section.number === undefined && !doesSomething(section) && section.children.some(hasCode);
  return groups ? section.children.flatMap(expand) : [section];
}

/** Holds commands or numbered instructions of its own. */
function doesSomething(section: Section): boolean {
  const numbered = section.blocks.some((block) => block.kind === "list" && block.ordered);
  return numbered || holdsCode(section.blocks);
}

function readPhase(reading: Reading, section: Section, planned: Set<string>): Phase[] {
  if (section.kind === "ignore") return [];
  const blocks = allBlocks(section);
  const numbered = blocks.some((block) => block.kind === "list" && (block.ordered || block.items.some(isTask)));
  if (!hasCode(section) && !numbered && section.number === undefined && !section.isStep) {
    if (section.kind !== "overview" && saysSomething(blocks)) reportNothing(reading, section);
    return [];
  }
  if (section.isSecondOption === true || isSecondOption(section.title)) {
    report(reading, "RB211", section, "The heading names one of several alternatives, but every phase runs.");
  }
  const isChecklist = section.kind === "checklist" || section.kind === "post-deployment";
  const input = { title: section.title, at: section.at, mode: "deploy", planned } as const;
  const procedure = readProcedure(reading, { ...input, blocks: isChecklist ? blocks.filter(isNoList) : blocks });
  if (procedure.steps.length === 0) reportNothing(reading, section);
  return [{ ...procedure, ...(section.number === undefined ? {} : { number: section.number }) }];
}

/** Says that what a part of the deployment or of the rollback asks for is left to whoever reads it. */
export function reportNothing(reading: Reading, part: { title: string; at: number; end: number }): void {
  report(reading, "RB106", part, `Nothing is executed in "${part.title}".`);
}

/** Holds text for people: sentences, a list or a table. */
export function saysSomething(blocks: Section["blocks"]): boolean {
  return blocks.some(({ kind }) => kind === "prose" || kind === "list" || kind === "table");
}

function isTask(entry: { readonly checked?: boolean }): boolean {
  return entry.checked !== undefined;
}

/** A checklist's items are gates, not instructions; lists that hold commands stay. */
function isNoList(block: Section["blocks"][number]): boolean {
  return block.kind !== "list" || holdsCode([block]);
}

/** Numbers that repeat, go back or leave a gap; each sequence that begins again at 1 is one of its own. */
function checkNumbers(reading: Reading, phases: readonly Phase[]): void {
  const numbered = phases.filter((phase) => phase.number !== undefined);
  for (const [index, phase] of numbered.entries()) {
    const before = numbered[index - 1]?.number;
    if (before === undefined || phase.number === before + 1) continue;
    const at = (reading.source.lineStarts[phase.line - 1] ?? 0) + phase.column - 1;
    const message = `Phase ${phase.number} follows phase ${before}; phases run in the order of the file.`;
    report(reading, "RB113", { at, end: at + 200 }, message);
  }
}
