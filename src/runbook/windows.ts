import type { Block, Table, Words } from "./block.ts";
import { leavesOf } from "./block.ts";
import { groupsOf } from "./groups.ts";
import type { MaintenanceWindow } from "./model.ts";
import type { Section } from "./outline.ts";
import { report, toItem } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { readWindow } from "./window.ts";
import { findZone } from "./zone.ts";

/** Reads the maintenance windows: items of lists, rows of tables, and sentences with times. */
export function readWindows(reading: Reading, sections: readonly Section[]): MaintenanceWindow[] {
  return sections.flatMap((section) => {
    const groups = groupsOf(section);
    const zone = commonZone(section);
    return groups.flatMap((group) =>
      linesOf(group.blocks, group.labelled ? group.title : undefined).flatMap((line) => readLine(reading, line, zone)),
    );
  });
}

function readLine(reading: Reading, line: Line, zone: string | undefined): MaintenanceWindow[] {
  const result = readWindow(line.text, zone);
  if ("rule" in result) {
    const name = result.rule.name === line.text && line.label !== undefined ? line.label : result.rule.name;
    return [{ ...toItem(reading, line), ...result.rule, name }];
  }
  // A sentence without times is an explanation; an item of the list was meant as a window.
  if (line.isProse && result.problem === "RB405") return [];
  report(reading, result.problem, line, result.message);
  return [];
}

type Line = Words & { readonly isProse: boolean; readonly label?: string };

function linesOf(blocks: readonly Block[], label: string | undefined): Line[] {
  const named = label === undefined ? {} : { label };
  const prose = blocks.flatMap((block) => (block.kind === "prose" && !isAboutZone(block.text) ? [block] : []));
  const rows = blocks.flatMap((block) => (block.kind === "table" ? tableLines(block) : []));
  return [
    ...leavesOf(blocks).map((line) => ({ ...line, isProse: false, ...named })),
    ...rows.map((line) => ({ ...line, isProse: false, ...named })),
    ...prose.map((line) => ({ ...line, isProse: true, ...named })),
  ].toSorted((a, b) => a.at - b.at);
}

/** "All times are in Europe/Berlin": a zone for every line that names none. */
function commonZone(section: Section): string | undefined {
  for (const block of section.blocks) {
    if (block.kind !== "prose" || !isAboutZone(block.text)) continue;
    const found = findZone(block.text);
    if (found !== undefined && "zone" in found) return found.zone;
  }
  const bracketed = /\(([^)]+)\)/.exec(section.title)?.[1];
  const found = bracketed === undefined ? undefined : findZone(bracketed);
  return found !== undefined && "zone" in found ? found.zone : undefined;
}

function isAboutZone(text: string): boolean {
  return (
    text.length < 200 &&
    /\b(?:all times|times (?:are|in)|time ?zone)\b/i.test(text) &&
    !/\d{1,2}:\d{2}\s*[-–]/.test(text)
  );
}

/** Rows as lines: the first cell names the window unless it is a day; a zone in a heading holds for its column. */
function tableLines(table: Table): Words[] {
  const headerZone = table.header.flatMap((cell) => {
    const found = findZone(/\(([^)]+)\)/.exec(cell.text)?.[1] ?? "");
    return found !== undefined && "zone" in found ? [found.zone] : [];
  })[0];
  const namesFirst = /\b(?:window|name|type|kind|environment|change)\b/i.test(table.header[0]?.text ?? "");
  return table.rows.flatMap((row) => {
    const cells = row.filter((cell) => cell.text !== "");
    const [first] = cells;
    if (first === undefined) return [];
    const texts = cells.map((cell) => cell.text);
    const joined = namesFirst && texts.length > 1 ? `${texts[0]}: ${texts.slice(1).join(" ")}` : texts.join(" ");
    const text = headerZone === undefined || findZone(joined) !== undefined ? joined : `${joined} ${headerZone}`;
    return [{ text, at: first.at, end: cells.at(-1)?.end ?? first.end }];
  });
}
