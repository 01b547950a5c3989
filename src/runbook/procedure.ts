import { codesOf, holdsCode } from "./block.ts";
import type { Block, Code, Listing, ListEntry } from "./block.ts";
import type { Frame } from "./command-report.ts";
import type { Instruction, Procedure, Step } from "./model.ts";
import { annotationBefore } from "./outline.ts";
import { reportCondition, reportInstruction, reportProse, reportTable } from "./prose-report.ts";
import { report, slug, toItem, uniqueId } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { placeAt } from "./source.ts";
import { readSteps } from "./steps.ts";
import { isChoice } from "./titles.ts";

export interface ProcedureInput {
  readonly title: string;
  readonly at: number;
  readonly blocks: readonly Block[];
  readonly mode: Frame["mode"];
  /** A person carries out what has no command, so that needs no warning; default false. */
  readonly attended?: boolean;
  /** Directories with a Terraform plan before; default: none yet. */
  readonly planned?: Set<string>;
}

/** Reads what a section does: commands in code blocks, and numbered prose with the commands written inside it. */
export function readProcedure(reading: Reading, input: ProcedureInput): Procedure {
  const id = uniqueId(reading, slug(input.title));
  const { mode, attended = false, planned = new Set<string>() } = input;
  const frame: Frame = { procedureId: id, mode, attended, planned };
  const into: Collected = { steps: [], instructions: [] };
  collect(reading, adopt(input.blocks), frame, into);
  const { steps, instructions } = into;
  return { id, title: input.title, ...placeAt(reading.source, input.at), steps, instructions };
}

interface Collected {
  readonly steps: Step[];
  readonly instructions: Instruction[];
}

/**
 * A code block that is not indented ends the list above it, but people mean it as a part of the last item: "2. Upgrade"
 * and then the command. It is read as if it were indented, when that item has no command of its own.
 */
function adopt(blocks: readonly Block[]): Block[] {
  const adopted: Block[] = [];
  for (const [index, block] of blocks.entries()) {
    const list = adopted.at(-1);
    const last = list?.kind === "list" && list.ordered ? list.items.at(-1) : undefined;
    const follows = block.kind === "code" || (block.kind === "comment" && blocks[index + 1]?.kind === "code");
    if (list?.kind === "list" && last !== undefined && follows && !holdsCode(last.blocks)) {
      const items = [...list.items.slice(0, -1), { ...last, blocks: [...last.blocks, block] }];
      adopted[adopted.length - 1] = { ...list, items };
    } else {
      adopted.push(block);
    }
  }
  return adopted;
}

function collect(reading: Reading, blocks: readonly Block[], frame: Frame, into: Collected): void {
  let afterCode = false;
  for (const [index, block] of blocks.entries()) {
    if (block.kind === "code") {
      afterCode = true;
      into.steps.push(...readSteps(reading, block, annotationBefore(blocks, index)?.annotation, frame));
    } else if (block.kind === "list") {
      collectList(reading, block, frame, into);
    } else if (block.kind === "table") {
      reportTable(reading, block, frame);
    } else if (block.kind === "prose") {
      reportProse(reading, block, frame);
      // "If critical issues are detected:" says when to begin; further down it divides the commands.
      const begins = index === 0 && frame.mode === "rollback" && !/\bonly\b/i.test(block.text);
      if (!begins && leadsToCode(blocks, index)) reportCondition(reading, block, frame);
      if (!afterCode || !isChoice(block.text) || !leadsToCode(blocks, index)) continue;
      report(reading, "RB211", block, "The text offers a choice, but every command of a procedure runs.");
    }
  }
}

/** A code block follows, with at most an annotation between. */
function leadsToCode(blocks: readonly Block[], index: number): boolean {
  const next = blocks[index + 1];
  return (next?.kind === "comment" ? blocks[index + 2] : next)?.kind === "code";
}

function collectList(reading: Reading, list: Listing, frame: Frame, into: Collected): void {
  for (const [index, entry] of list.items.entries()) {
    if (index > 0 && isChoice(entry.text) && hasCode(entry)) {
      report(reading, "RB211", entry, "The text offers a choice, but every command of a procedure runs.");
    }
    if (hasCode(entry)) reportCondition(reading, entry, frame);
    const isInstruction = entry.text !== "" && (list.ordered || entry.checked !== undefined);
    if (isInstruction) {
      const instruction = readInstruction(reading, entry, frame, into.instructions.length + 1);
      into.instructions.push(instruction);
      into.steps.push(...instruction.commands);
      if (instruction.commands.length === 0) reportInstruction(reading, entry, frame);
    } else {
      if (!hasCode(entry)) reportProse(reading, entry, frame);
      collect(reading, entry.blocks, labelled(frame, entry), into);
    }
  }
}

function hasCode(entry: ListEntry): boolean {
  return holdsCode(entry.blocks);
}

/** A numbered line of prose with the commands inside it, however deep. */
function readInstruction(reading: Reading, entry: ListEntry, frame: Frame, number: number): Instruction {
  const inside: Collected = { steps: [], instructions: [] };
  const id = uniqueId(reading, `${frame.procedureId}/${number}-${slug(entry.text)}`);
  collect(reading, entry.blocks, labelled(frame, entry), inside);
  return { ...toItem(reading, entry), id, commands: inside.steps };
}

function labelled(frame: Frame, entry: ListEntry): Frame {
  if (entry.text === "") return frame;
  const single = codesOf(entry.blocks).reduce((sum, code) => sum + commandCount(code), 0) <= 1;
  return { ...frame, label: shorten(entry.text), single };
}

/** Lines that begin a command: neither empty, nor a comment, nor the continuation of the line before. */
function commandCount(code: Code): number {
  let continued = false;
  let count = 0;
  for (const { text } of code.lines) {
    if (!continued && text.trim() !== "" && !text.trim().startsWith("#")) count += 1;
    continued = text.endsWith("\\");
  }
  return count;
}

/** The first sentence, at most 80 characters of it. */
function shorten(text: string): string {
  const bare = (text.split(/\.\s/)[0] ?? text).replace(/[:.]$/, "");
  return bare.length > 80 ? `${bare.slice(0, 79).trimEnd()}…` : bare;
}
