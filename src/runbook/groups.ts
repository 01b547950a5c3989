import { holdsCode, leavesOf, tasksOf } from "./block.ts";
import type { Block, ListEntry, Table, Words } from "./block.ts";
import type { ChecklistGroup, Gate, Item, ItemGroup } from "./model.ts";
import type { Section } from "./outline.ts";
import { slug, toItem, uniqueId } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { placeAt } from "./source.ts";

/** A label with what it stands over: a sub-section, a list item with a list of its own, or a line before a list. */
export interface Group {
  readonly title: string;
  readonly at: number;
  readonly blocks: readonly Block[];
  /** False: no label of its own, so it carries the section's. */
  readonly labelled: boolean;
  /** The list item that is the label, when it has a box of its own. */
  readonly task?: ListEntry;
}

/** Cuts a section into its labelled groups; what has no label comes under the section's own title. */
export function groupsOf(section: Section): Group[] {
  const groups: Group[] = [];
  const own = { title: section.title, at: section.at, blocks: [] as Block[], labelled: false };
  let label: Words | undefined;
  for (const block of section.blocks) {
    if (block.kind === "prose") {
      label = block.bold || block.text.endsWith(":") ? block : undefined;
      if (label === undefined) own.blocks.push(block);
      continue;
    }
    if (block.kind !== "list") {
      const target = block.kind === "table" && label !== undefined ? labelledGroup(label) : undefined;
      if (target === undefined) own.blocks.push(block);
      else groups.push({ ...target, blocks: [block] });
      continue;
    }
    const nesting = block.items.filter(hasInnerList);
    for (const entry of nesting) {
      const task = entry.text !== "" && entry.checked !== undefined ? { task: entry } : {};
      groups.push({ ...labelledGroup(entry), blocks: [...entry.blocks], ...task });
    }
    const flat = { ...block, items: block.items.filter((entry) => !hasInnerList(entry)) };
    if (flat.items.length === 0) continue;
    if (label === undefined || nesting.length > 0) own.blocks.push(flat);
    else groups.push({ ...labelledGroup(label), blocks: [flat] });
  }
  const children = section.children.flatMap((child) =>
    groupsOf(child).map((group) => (group.labelled ? group : { ...group, labelled: true })),
  );
  return [...(own.blocks.length > 0 ? [own] : []), ...groups, ...children].toSorted((a, b) => a.at - b.at);
}

function hasInnerList(entry: ListEntry): boolean {
  return entry.blocks.some((inner) => inner.kind === "list");
}

function labelledGroup(words: Words): { title: string; at: number; labelled: boolean } {
  return { title: words.text.replace(/[:.]$/, "").trim(), at: words.at, labelled: true };
}

/** The lines of a group: items of its lists and rows of its tables, the cells joined by a dash. */
export function linesOf(blocks: readonly Block[]): Words[] {
  const rows = blocks.flatMap((block) => (block.kind === "table" ? block.rows : []));
  return [...leavesOf(blocks), ...rows.flatMap(joinCells)].toSorted((a, b) => a.at - b.at);
}

function joinCells(cells: readonly Words[]): Words[] {
  const filled = cells.filter((cell) => cell.text !== "");
  const [first] = filled;
  if (first === undefined) return [];
  return [{ text: filled.map((cell) => cell.text).join(" – "), at: first.at, end: filled.at(-1)?.end ?? first.end }];
}

/** Reads a list of requirements, whatever its form; its tasks are gates and not among them. */
export function readRequirements(reading: Reading, sections: readonly Section[]): Item[] {
  return itemsOf(reading, sections, (line) => !("checked" in line) || line.checked === undefined);
}

/** Reads a list, whatever its form. */
export function readItems(reading: Reading, sections: readonly Section[]): Item[] {
  return itemsOf(reading, sections, () => true);
}

function itemsOf(reading: Reading, sections: readonly Section[], counts: (line: Words) => boolean): Item[] {
  return sections
    .flatMap(groupsOf)
    .flatMap((group) => linesOf(group.blocks).filter(counts))
    .map((line) => toItem(reading, line));
}

/** Reads groups of things to do. */
export function readItemGroups(reading: Reading, sections: readonly Section[]): ItemGroup[] {
  return sections.flatMap(groupsOf).flatMap((group) => {
    const items = linesOf(group.blocks).map((line) => toItem(reading, line));
    return items.length === 0 ? [] : [{ title: group.title, ...placeAt(reading.source, group.at), items }];
  });
}

const BOX = /^\s*(?:\[([ xX]?)\]|([☐☑☒✅✔✓]))\s*$/u;

/** The rows of a table of checks: what is to be checked, and whether its box is ticked. Beside tasks only rows with a box count. */
function rowsOf(table: Table, onlyBoxes: boolean): (Words & { readonly checked?: boolean })[] {
  const named = table.header.findIndex((cell) => /\b(?:checks?|items?|tasks?|what|gates?|steps?)\b/i.test(cell.text));
  return table.rows.flatMap((row) => {
    const box = row.find((cell) => BOX.test(cell.text));
    const words = row[named] ?? row.find((cell) => /\p{L}{2}/u.test(cell.text) && !BOX.test(cell.text));
    if (words === undefined || words.text === "" || (onlyBoxes && box === undefined)) return [];
    return [{ text: words.text, at: words.at, end: words.end, checked: box !== undefined && isTicked(box.text) }];
  });
}

function isTicked(box: string): boolean {
  const [, inBrackets, mark] = BOX.exec(box) ?? [];
  return inBrackets?.toLowerCase() === "x" || (mark !== undefined && mark !== "☐");
}

/** Reads the gates: the tasks of a section, or all of its items when none is a task. */
export function readChecklist(reading: Reading, sections: readonly Section[]): ChecklistGroup[] {
  return sections.flatMap((section) => {
    const groups = groupsOf(section);
    const tasks = new Map(
      groups.map((group) => [group, [...(group.task ? [group.task] : []), ...tasksOf(group.blocks)]]),
    );
    const tasksOnly = [...tasks.values()].some((some) => some.length > 0);
    return groups.flatMap((group) => {
      const listed = tasksOnly
        ? (tasks.get(group) ?? [])
        : leavesOf(group.blocks).filter((entry) => !holdsCode(entry.blocks));
      const tables = group.blocks.flatMap((block) => (block.kind === "table" ? rowsOf(block, tasksOnly) : []));
      const entries = [...listed, ...tables].toSorted((a, b) => a.at - b.at);
      const gates = entries.map((entry): Gate => {
        const id = uniqueId(reading, `${slug(group.title)}/${slug(entry.text)}`);
        return { ...toItem(reading, entry), id, checked: entry.checked ?? false };
      });
      return gates.length === 0 ? [] : [{ title: group.title, ...placeAt(reading.source, group.at), gates }];
    });
  });
}
