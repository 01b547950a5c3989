import type { Words } from "./block.ts";
import { leavesOf } from "./block.ts";
import { groupsOf } from "./groups.ts";
import type { Group } from "./groups.ts";
import { recogniseHeading } from "./heading.ts";
import type { Contact, Item } from "./model.ts";
import { report, toItem } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { placeAt } from "./source.ts";

/** Who is told, and who is asked next. */
export interface People {
  readonly contacts: readonly Contact[];
  readonly escalation: readonly Item[];
}

interface Collected {
  readonly contacts: Contact[];
  readonly escalation: Item[];
}

/** Reads who is told and who is asked next. In a section of contacts, a numbered list without addresses is an order. */
export function readPeople(reading: Reading, sections: readonly Recognised[]): People {
  const into: Collected = { contacts: [], escalation: [] };
  for (const { kind, section } of sections) {
    if (kind !== "contacts" && kind !== "escalation") continue;
    for (const group of groupsOf(section)) {
      const label = group.labelled ? recogniseHeading(group.title, new Set()) : undefined;
      readGroup(reading, group, label === "escalation" || label === "contacts" ? label : kind, into);
    }
  }
  return into;
}

function readGroup(reading: Reading, { blocks, title }: Group, kind: "contacts" | "escalation", into: Collected): void {
  for (const block of blocks) {
    if (block.kind === "list") {
      const lines = leavesOf([block]);
      const isOrder =
        kind === "escalation" || (block.ordered && lines.every((line) => addressesIn(reading, line).length === 0));
      if (isOrder) into.escalation.push(...lines.map((line) => toItem(reading, line)));
      else for (const line of lines) readContact(reading, line, into.contacts);
    } else if (block.kind === "table") {
      const role = roleColumn(block.header);
      for (const row of block.rows) {
        if (kind === "escalation") into.escalation.push(...escalationRow(reading, row));
        else readContactRow(reading, row, role, into.contacts);
      }
    } else if (block.kind === "prose" && kind === "escalation") {
      into.escalation.push(...chain(reading, block));
    } else if (block.kind === "prose" && addressesIn(reading, block).length > 0) {
      readContact(reading, block, into.contacts, title);
    }
  }
}

/** "On-call → lead → CTO" in one line. */
function chain(reading: Reading, line: Words): Item[] {
  const names = line.text.split(/\s*(?:→|->|⇒|=>)\s*/).filter((name) => name !== "");
  return names.length < 2 ? [] : names.map((text) => toItem(reading, { text: text.replace(/[.;]$/, ""), at: line.at }));
}

const ADDRESS =
  /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|https?:\/\/[^\s)>\]|]+|(?<![\w#])#[a-z][\w-]+|(?<![\w@.])@[a-z][\w.-]+|(?<![\w+.])\+?\d(?:[ ()/.-]{0,2}\d){6,17}(?![\w])/gi;

/** Addresses in the line as it is written, so that the target of a link counts as well. */
function addressesIn(reading: Reading, line: Words): string[] {
  const raw = reading.source.text.slice(line.at, Math.min(line.end, line.at + 2000));
  return [...new Set([...raw.matchAll(ADDRESS)].map((match) => match[0].replace(/[.,;:]$/, "")))];
}

/** `otherwise`: the role where the line is a sentence that does not begin with one. */
function readContact(reading: Reading, line: Words, into: Contact[], otherwise?: string): void {
  const addresses = addressesIn(reading, line);
  const [address] = addresses;
  const role = (otherwise === undefined ? undefined : (namedRole(line.text) ?? otherwise)) ?? roleOf(line.text);
  if (address === undefined) {
    report(reading, "RB501", line, `No address is given for "${role.slice(0, 80)}".`);
    return;
  }
  into.push({ role, address, addresses, ...placeAt(reading.source, line.at) });
}

/** What stands before a colon or a dash. */
function namedRole(text: string): string | undefined {
  const before = /^([^:–—|]{1,80}?)\s*(?::|\s[-–—|]\s|\s*[–—|])\s*\S/.exec(text)?.[1];
  return before === undefined || /@/.test(before) ? undefined : before.trim();
}

function roleOf(text: string): string {
  const named = namedRole(text);
  if (named !== undefined) return named;
  const left = text
    .slice(0, 500)
    .replaceAll(ADDRESS, "")
    .replaceAll(/[\s,:;()|–—-]+$|^[\s,:;()|–—-]+/g, "")
    .trim();
  return left === "" ? text : left;
}

function roleColumn(header: readonly Words[]): number {
  const index = header.findIndex((cell) => /\b(?:role|team|function|area|position|title)\b/i.test(cell.text));
  return Math.max(0, index);
}

function readContactRow(reading: Reading, row: readonly Words[], column: number, into: Contact[]): void {
  const role = row[column] ?? row[0];
  if (role === undefined || role.text === "") return;
  const addresses = [...new Set(row.flatMap((cell) => addressesIn(reading, cell)))];
  const [address] = addresses;
  if (address === undefined) report(reading, "RB501", role, `No address is given for "${role.text}".`);
  else into.push({ role: role.text, address, addresses, ...placeAt(reading.source, role.at) });
}

function escalationRow(reading: Reading, row: readonly Words[]): Item[] {
  const cells = row.filter((cell) => cell.text !== "" && !/^(?:l|level|tier)?\s*\d+$/i.test(cell.text));
  const [first] = cells;
  if (first === undefined) return [];
  return [toItem(reading, { text: cells.map((cell) => cell.text).join(" – "), at: first.at })];
}
