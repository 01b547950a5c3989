import type { Table, Words } from "./block.ts";
import type { Frame } from "./command-report.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { isChoice, isConditional, isIfNeeded } from "./titles.ts";

/** Why a command between backquotes is none. */
export const INLINE = "Inline code is not executed; only code blocks are.";
const REMEDY = "Write the command in a code block of its own.";

/** Says that a numbered instruction has no command; its inline code, if any, does not count as one. */
export function reportInstruction(reading: Reading, words: Words, frame: Frame): void {
  if (frame.mode === "operator" || frame.attended === true) return;
  const message = rawOf(reading, words).includes("`")
    ? `This instruction has no command. ${INLINE}`
    : "This instruction has no command.";
  report(reading, "RB112", words, message);
}

/** Says that a line of prose tells the reader to run something that Sunny does not run. */
export function reportProse(reading: Reading, words: Words, frame: Frame): void {
  if (frame.mode === "operator" || frame.attended === true) return;
  const raw = rawOf(reading, words);
  if (/^`[^`]+`[.;]?$/.test(raw) || /\b(?:run|execute|call|invoke|type|enter)\b[^`]{0,60}`[^`\s][^`]*`/i.test(raw)) {
    report(reading, "RB104", words, INLINE, REMEDY);
  }
}

/** Says that commands run whether or not the text above them makes them depend on something. */
export function reportCondition(reading: Reading, words: Words, frame: Frame): void {
  if (frame.mode === "operator" || frame.attended === true) return;
  if (!isConditional(words.text) || isIfNeeded(words.text) || isChoice(words.text)) return;
  report(reading, "RB123", words, "Nobody checks this condition: the commands below run each time.");
}

/** Says that the commands in a table are not run. */
export function reportTable(reading: Reading, table: Table, frame: Pick<Frame, "mode" | "attended">): void {
  if (frame.mode === "operator" || frame.attended === true) return;
  if (!table.header.some((cell) => /\b(?:commands?|run|scripts?)\b/i.test(cell.text))) return;
  report(
    reading,
    "RB104",
    { at: table.at, end: table.at + 160 },
    "The commands in this table are not executed.",
    REMEDY,
  );
}

function rawOf(reading: Reading, words: Words): string {
  return reading.source.text.slice(words.at, Math.min(words.end, words.at + 500)).trim();
}
