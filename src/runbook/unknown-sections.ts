import { codesOf, leavesOf, tasksOf } from "./block.ts";
import type { Block } from "./block.ts";
import { metricKind } from "./metric.ts";
import { allBlocks, hasCode } from "./outline.ts";
import type { Section } from "./outline.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { placeAt } from "./source.ts";
import { comparisonIn, readThreshold } from "./threshold.ts";
import type { SectionKind } from "./vocabulary.ts";

const GOES_BACK = /roll[-_]?back|revert|undo|back[-_]?out|downgrade|restore/i;
const TIMES = /\b\d{1,2}[:.]\d{2}\s*(?:Uhr\s*)?[-–—]\s*\d{1,2}[:.]\d{2}\b/;
const ADDRESS = /[\w.+-]{1,64}@[\w-]{1,63}\.\w/;

/** What a section whose heading means nothing to Sunny seems to be by what it holds; undefined where that says nothing. */
export function guessKind(section: Section): SectionKind | undefined {
  const blocks = allBlocks(section);
  if (tasksOf(blocks).length > 0) return "checklist";
  const commands = codesOf(blocks).flatMap(({ lines }) => lines.map(({ text }) => text));
  if (commands.length > 0) {
    if (commands.some((text) => GOES_BACK.test(text))) return "rollback";
    return section.children.some(hasCode) || section.level <= 2 ? "deployment" : "phase";
  }
  const lines = [...leavesOf(blocks).map(({ text }) => text), ...rowsOf(blocks)].slice(0, 20);
  if (lines.some(isLimit)) return "thresholds";
  if (lines.some((text) => TIMES.test(text))) return "windows";
  return lines.some((text) => ADDRESS.test(text)) ? "contacts" : undefined;
}

function rowsOf(blocks: readonly Block[]): string[] {
  return blocks.flatMap((block) =>
    block.kind === "table" ? block.rows.map((row) => row.map(({ text }) => text).join(" ")) : [],
  );
}

function isLimit(text: string): boolean {
  if (!/[<>≥≤]/.test(text) && metricKind(text) === "other") return false;
  return comparisonIn(text) !== undefined && "rule" in readThreshold(text, "either");
}

/** More are not listed one by one. */
const MAX_NAMED = 12;

/**
 * Says it at one place when most of what a runbook holds stands below headings that Sunny does not know, as in a runbook in
 * another language: which headings, and what each seems to be.
 */
export function reportUnknownLanguage(reading: Reading, root: Section): void {
  const sections = root.children.filter(holdsSomething);
  const unknown = sections.filter(({ kind }) => kind === undefined);
  const [first] = unknown;
  if (first === undefined || unknown.length < 3 || unknown.length * 2 <= sections.length) return;
  const line = (section: Section): number => placeAt(reading.source, section.at).line;
  const named = unknown.slice(0, MAX_NAMED).map((section) => `"${section.title}" (line ${line(section)})`);
  const more = unknown.length > MAX_NAMED ? ` and ${unknown.length - MAX_NAMED} more` : "";
  const known = sections.length - unknown.length;
  const message =
    `Sunny knows ${known === 0 ? "none" : known} of the ${sections.length} sections here, since headings are read in ` +
    `English: it passes over ${named.join(", ")}${more}.`;
  const guesses = unknown.slice(0, MAX_NAMED).flatMap((section) => {
    const kind = guessKind(section);
    return kind === undefined ? [] : [`\`<!-- sunny: ${kind} -->\` below line ${line(section)}`];
  });
  const such = guesses.length === 0 ? "a comment such as `<!-- sunny: rollback -->`" : guesses.join(", ");
  report(reading, "RB122", first, message, `Reword the headings, or say below each what it is: ${such}.`);
}

function holdsSomething({ kind, blocks, children }: Section): boolean {
  if (kind === "overview" || kind === "ignore") return false;
  return (
    children.some(holdsSomething) || blocks.some(({ kind: of }) => of === "code" || of === "list" || of === "table")
  );
}
