import { checkAnnotations } from "./annotation-check.ts";
import { codesOf, leavesOf, tasksOf } from "./block.ts";
import type { Block, Code, Words } from "./block.ts";
import type { Runbook } from "./model.ts";
import { allBlocks, hasCode } from "./outline.ts";
import type { Section } from "./outline.ts";
import { mayHoldNumber } from "./number-words.ts";
import { INLINE, reportTable } from "./prose-report.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { tableLines } from "./rule-tables.ts";
import { formOf } from "./script-text.ts";
import { readSentence, sentencesOf } from "./sentence.ts";
import { findSecrets } from "../secret-shapes.ts";
import { readThreshold } from "./threshold.ts";
import { guessKind } from "./unknown-sections.ts";
import type { SectionKind } from "./vocabulary.ts";
import { readWindow } from "./window.ts";

/** Says what is wrong with the file whatever its sections mean: open fences, secrets, annotations, double headings. */
export function reportBlocks(reading: Reading, blocks: readonly Block[]): void {
  for (const code of codesOf(blocks)) {
    if (!code.closed) {
      const message = "The code block is never closed; everything below it would be code.";
      report(reading, "RB101", { at: code.at, end: code.at + 160 }, message);
    }
    reportSecrets(reading, code);
    reportHidden(reading, code);
  }
  checkAnnotations(reading, blocks);
}

function reportSecrets(reading: Reading, code: Code): void {
  const text = reading.source.markdown.slice(code.at, code.end);
  for (const secret of findSecrets(text)) {
    const range = { ...secret, at: code.at + secret.at, end: code.at + secret.end };
    reading.secrets.push(range);
    report(reading, "RB212", range, `This looks like ${secret.what}.`);
  }
}

const HIDDEN = /[\u00A0\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF\uFFFD]/;

function reportHidden(reading: Reading, code: Code): void {
  const at = reading.source.markdown.slice(code.at, code.end).search(HIDDEN);
  if (at === -1) return;
  const character = reading.source.text.codePointAt(code.at + at) ?? 0;
  const name = `U+${character.toString(16).toUpperCase().padStart(4, "0")}`;
  report(
    reading,
    "RB223",
    { at: code.at + at, end: code.at + at + 1 },
    `The block holds ${name}, which cannot be seen.`,
  );
}

/** Says which headings stand twice on one level below the same heading. */
export function reportDoubleHeadings(reading: Reading, section: Section): void {
  const seen = new Set<string>();
  for (const child of section.children) {
    const title = child.title.toLowerCase();
    if (seen.has(title)) report(reading, "RB102", child, `The heading "${child.title}" stands here twice.`);
    seen.add(title);
    reportDoubleHeadings(reading, child);
  }
}

/** Kinds whose commands are executed. */
const EXECUTED: ReadonlySet<SectionKind | undefined> = new Set<SectionKind>([
  "deployment",
  "phase",
  "checklist",
  "post-deployment",
  "rollback",
  "immediate-rollback",
  "gradual-rollback",
  "issues",
  "emergencies",
]);

const UNATTENDED: Parameters<typeof reportTable>[2] = { mode: "deploy" };

/** Says which sections are not known, and which commands are not executed. */
export function reportSections(reading: Reading, sections: readonly Recognised[]): void {
  for (const { kind, section } of sections) {
    if (kind === undefined) {
      const guess = guessKind(section);
      const message = `"${section.title}" is not a section that Sunny knows.`;
      const remedy = `Reword the heading, or, as what it holds suggests, write \`<!-- sunny: ${guess} -->\` below it.`;
      report(reading, "RB103", section, message, guess === undefined ? undefined : remedy);
      reportTasks(reading, section);
      reportLines(reading, section);
    }
    if (LISTED.has(kind)) reportUnlisted(reading, section);
    if (TIMELESS.has(kind)) reportTimes(reading, section);
    if (kind === undefined)
      for (const block of section.blocks) if (block.kind === "table") reportTable(reading, block, UNATTENDED);
    if (EXECUTED.has(kind) || !hasCode(section)) continue;
    const code = firstCommands(section);
    if (code === undefined) continue;
    const message = `The commands below "${section.title}" are not executed.`;
    report(reading, "RB104", { at: code.at, end: code.at + 160 }, message);
  }
}

function reportTasks(reading: Reading, section: Section): void {
  const [task] = tasksOf(section.blocks);
  if (task !== undefined) report(reading, "RB120", task, `Nobody is asked about the boxes below "${section.title}".`);
}

/** Without a number there is no limit, and without one of these no time at which a window opens. */
const MAY_BE_RULE = /\d|time|clock/i;

/** What reads like a limit or a window is one to whoever wrote it, though the heading says nothing of the kind to Sunny. */
function reportLines(reading: Reading, section: Section): void {
  for (const line of statementsOf(reading, section.blocks)) {
    // Most lines of a runbook are neither, and reading them as both takes longer than all else that is read of them.
    if (!MAY_BE_RULE.test(line.text) && !mayHoldNumber(line.text)) continue;
    if (isLimit(line.text)) {
      const message = `Nobody watches the limits below "${section.title}".`;
      return report(reading, "RB121", line, message, "Mark the section with `<!-- sunny: thresholds -->`.");
    }
    if (isWindow(line.text)) {
      const message = `The times below "${section.title}" are no maintenance windows to Sunny.`;
      return report(reading, "RB121", line, message, "Mark the section with `<!-- sunny: windows -->`.");
    }
  }
}

/** Sections of which the items, rows and boxes are read. */
const LISTED: ReadonlySet<SectionKind | undefined> = new Set<SectionKind>([
  "prerequisites",
  "checklist",
  "post-deployment",
  "contacts",
  "escalation",
  "compliance",
]);

/** A section that says something, and nothing that is read. */
function reportUnlisted(reading: Reading, section: Section): void {
  const blocks = allBlocks(section);
  if (blocks.some(({ kind }) => kind === "list" || kind === "table" || kind === "code")) return;
  const [first] = blocks.flatMap((block) => (block.kind === "prose" ? [block] : []));
  const isRead = /→|->|⇒|=>|@|#\w|https?:/.test(first?.text ?? "");
  if (first === undefined || isRead) return;
  report(reading, "RB124", first, `Nothing below "${section.title}" is read: it holds sentences only.`);
}

/** Sections that hold no windows to Sunny, though a time written there may well be meant as one. */
const TIMELESS: ReadonlySet<SectionKind | undefined> = new Set<SectionKind>([
  "overview",
  "checklist",
  "deployment",
  "phase",
  "post-deployment",
  "rollback",
  "monitoring",
  "issues",
]);

function reportTimes(reading: Reading, section: Section): void {
  const line = statementsOf(reading, allBlocks(section)).find(({ text }) => isWindow(text));
  if (line === undefined) return;
  const message = `These times below "${section.title}" are no maintenance window to Sunny.`;
  report(reading, "RB121", line, message, "Write them as a line of a list below a heading `Maintenance windows`.");
}

/** Items, rows and sentences. */
function statementsOf(reading: Reading, blocks: readonly Block[]): Words[] {
  const others = blocks.flatMap((block): Words[] => {
    if (block.kind === "table") return tableLines(block, false);
    return block.kind === "prose" && mayHoldNumber(block.text) ? sentencesOf(reading.source, block) : [];
  });
  return [...leavesOf(blocks), ...others].toSorted((a, b) => a.at - b.at);
}

function isLimit(text: string): boolean {
  const threshold = readThreshold(text, "either");
  if ("rule" in threshold) return threshold.rule.metric !== "other";
  return readSentence(text, "either") !== undefined;
}

const DAY_AND_TIMES =
  /\b(?:mon|tue|wed|thu|fri|sat|sun)\w*\b.*\b\d{1,2}[:.]\d{2}\s*(?:[-–—]|to|until)\s*\d{1,2}[:.]\d{2}\b/i;

function isWindow(text: string): boolean {
  if (text.length > 300 || !/\d/.test(text)) return false;
  const window = readWindow(text);
  return ("rule" in window && window.rule.kind === "recurring") || DAY_AND_TIMES.test(text);
}

function firstCommands(section: Section): Code | undefined {
  for (const code of codesOf(section.blocks)) {
    const form = formOf(code);
    if (form === "shell" || form === "unnamed-shell") return code;
  }
  for (const child of section.children) {
    const found = firstCommands(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

const TOP = { at: 0, end: 1 };

/** Says what the runbook as a whole lacks. Below a fence that is never closed, what is missing may well be there. */
export function reportGaps(reading: Reading, runbook: Runbook, sections: readonly Recognised[]): void {
  if (reading.diagnostics.some((one) => one.code === "RB101")) return;
  if (runbook.phases.every((phase) => phase.steps.length === 0)) {
    report(reading, "RB105", TOP, "The runbook holds no command that deploys anything.");
  }
  const { immediate, gradual, other } = runbook.rollback;
  const back = [immediate, gradual, ...other].filter((procedure) => procedure !== undefined);
  if (back.every((procedure) => procedure.steps.length + procedure.instructions.length === 0)) {
    reportNoWayBack(reading, sections);
  }
  const failed = reading.diagnostics.map((one) => one.code);
  if (runbook.windows.length === 0 && !failed.some((code) => code.startsWith("RB4") && code !== "RB405")) {
    report(reading, "RB108", TOP, "The runbook does not say when deployments may run.");
  }
  if (runbook.thresholds.length === 0 && !failed.some((code) => code.startsWith("RB30"))) {
    report(reading, "RB114", TOP, "The runbook states no limit that leads to a rollback.");
  }
  if (runbook.version === undefined) report(reading, "RB111", TOP, "The runbook names no version of its own.");
}

/** A section about the rollback that tells nothing to run is named: its author believes that it is one. */
function reportNoWayBack(reading: Reading, sections: readonly Recognised[]): void {
  const about = sections.find(({ kind }) => kind === "rollback" || kind === "immediate-rollback");
  if (about === undefined) {
    return report(reading, "RB107", TOP, "The runbook does not say how a release is taken back.");
  }
  const { section } = about;
  const inline = allBlocks(section).some(({ at, end }) => reading.source.markdown.slice(at, end).includes("`"));
  report(
    reading,
    "RB107",
    section,
    `"${section.title}" holds no command that takes a release back.${inline ? ` ${INLINE}` : ""}`,
    "Write the commands in a code block below the heading.",
  );
}
