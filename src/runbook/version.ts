import { leavesOf } from "./block.ts";
import type { Block } from "./block.ts";
import { allBlocks } from "./outline.ts";
import type { Section } from "./outline.ts";
import type { Source } from "./source.ts";

/** What a runbook says about itself. */
export interface VersionInfo {
  readonly version?: string;
  readonly lastUpdated?: string;
  readonly author?: string;
}

const VERSION = /^(?:(?:runbook|document|doc)\s+)?version$/i;
const UPDATED = /^(?:last\s+(?:updated?|reviewed|modified|changed|revised)|updated|date|reviewed)$/i;
const AUTHOR = /^(?:authors?|owners?|maintainers?|maintained by|owned by|written by)$/i;

/** Reads version, date and author from the version section, then the front matter, then the top of the file. */
export function readVersion(source: Source, root: Section, sections: readonly Section[]): VersionInfo {
  const pairs = [
    ...sections.flatMap((section) => pairsOf(allBlocks(section))),
    ...source.frontMatter.map(({ key, value }) => [key, value] as const),
    ...pairsOf(root.blocks),
  ];
  const find = (pattern: RegExp): string | undefined => pairs.find(([key]) => pattern.test(key))?.[1];
  const version = /^v?(\d[\w.+-]{0,40})/i.exec(find(VERSION) ?? "")?.[1];
  const lastUpdated = find(UPDATED);
  const author = find(AUTHOR);
  return {
    ...(version === undefined ? {} : { version }),
    ...(lastUpdated === undefined ? {} : { lastUpdated }),
    ...(author === undefined ? {} : { author }),
  };
}

/** `Key: value` from items, rows of two cells, and lines of prose that are cut by ` · ` or ` | `. */
function pairsOf(blocks: readonly Block[]): (readonly [string, string])[] {
  const lines = [
    ...leavesOf(blocks).map((entry) => entry.text),
    ...blocks.flatMap((block) => (block.kind === "prose" ? block.text.slice(0, 500).split(/\s+[·|•]\s+/) : [])),
  ];
  const rows = blocks.flatMap((block) => (block.kind === "table" ? [block.header, ...block.rows] : []));
  return [
    ...lines.flatMap((line) => {
      const match = /^([A-Za-z][A-Za-z ]{0,40}?)\s*(?::|\s(?=v?\d))\s*(\S.{0,199})$/.exec(line);
      return match === null ? [] : [[match[1] ?? "", (match[2] ?? "").trim()] as const];
    }),
    ...rows.flatMap((row) => (row.length === 2 ? [[row[0]?.text ?? "", row[1]?.text ?? ""] as const] : [])),
  ];
}
