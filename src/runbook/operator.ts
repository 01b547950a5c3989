import { holdsCode } from "./block.ts";
import type { Block, ListEntry } from "./block.ts";
import type { Emergency, Instruction, Procedure } from "./model.ts";
import { allBlocks } from "./outline.ts";
import type { Section } from "./outline.ts";
import { readProcedure } from "./procedure.ts";
import type { Reading } from "./reading.ts";
import { splitNumbering } from "./heading.ts";

interface Titled {
  readonly title: string;
  readonly at: number;
  readonly blocks: readonly Block[];
}

/** Reads what an operator may run by name: each sub-section, or each list item that holds commands. */
export function readIssues(reading: Reading, sections: readonly Section[]): Procedure[] {
  return sections
    .flatMap((section) => parts(section, (entry) => holdsCode(entry.blocks)))
    .filter((part) => doesSomething(part.blocks))
    .map((part) => readProcedure(reading, { ...part, mode: "operator" }));
}

/** Reads the incidents: each sub-section, or each list item with a list of its own. */
export function readEmergencies(reading: Reading, sections: readonly Section[]): Emergency[] {
  return sections
    .flatMap((section) => parts(section, (entry) => entry.blocks.some((block) => block.kind === "list")))
    .filter((part) => doesSomething(part.blocks))
    .map((part) =>
      toEmergency(readProcedure(reading, { ...part, blocks: part.blocks.map(numbered), mode: "operator" })),
    );
}

function doesSomething(blocks: readonly Block[]): boolean {
  return blocks.some((block) => block.kind === "list" || block.kind === "code");
}

function parts(section: Section, stands: (entry: ListEntry) => boolean): Titled[] {
  const children = section.children.flatMap(leafSections);
  const entries = section.blocks.flatMap((block) => (block.kind === "list" ? block.items : []));
  const named = entries.length > 0 && entries.every((entry) => entry.text !== "" && stands(entry));
  const isSequence = section.blocks.some((block) => block.kind === "list" && block.ordered);
  if (named && !(isSequence && children.length > 0)) {
    const items = entries.map((entry) => ({ title: titleOf(entry), at: entry.at, blocks: entry.blocks }));
    return [...items, ...children];
  }
  const own = { title: section.title, at: section.at, blocks: section.blocks };
  return [own, ...children];
}

function titleOf(entry: ListEntry): string {
  return splitNumbering(entry.text).title.replace(/[:.]$/, "").slice(0, 100);
}

/** A sub-section that only groups others stands for those. */
function leafSections(section: Section): Titled[] {
  const groups = !doesSomething(section.blocks) && section.children.length > 0;
  if (groups) return section.children.flatMap(leafSections);
  return [{ title: section.title, at: section.at, blocks: allBlocks(section) }];
}

/** What to do in an incident counts in its order, whether the list has numbers or bullets. */
function numbered(block: Block): Block {
  return block.kind === "list" ? { ...block, ordered: true } : block;
}

function toEmergency(procedure: Procedure): Emergency {
  const inside = new Set(procedure.instructions.flatMap((instruction) => instruction.commands));
  const loose = procedure.steps
    .filter((step) => !inside.has(step))
    .map((step): Instruction => {
      const { line, column, id, title } = step;
      return { id: `${id}/step`, text: title, line, column, commands: [step] };
    });
  const steps = [...procedure.instructions, ...loose].toSorted((a, b) => a.line - b.line || a.column - b.column);
  return { id: procedure.id, title: procedure.title, line: procedure.line, column: procedure.column, steps };
}
