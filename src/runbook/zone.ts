/** A time zone as a line names it. */
export type ZoneReading =
  | { readonly zone: string; readonly text: string }
  | { readonly unknown: string; readonly text: string };

const IANA =
  /\b(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc)\/[A-Za-z_+-]+(?:\/[A-Za-z_-]+)?\d*/;
const LIKE_IANA = /\b[A-Z][A-Za-z]+\/[A-Z][A-Za-z_]+\b/;
const OFFSET = /(?:\b(?:UTC|GMT)\s*|^\s*\(?)([+\u2212-])\s?(\d{1,2})(?::?(\d{2}))?(?![\d:])/;
const UTC = /\b(?:UTC|GMT|Zulu)\b|(?<=\d)Z\b/i;
/** Every zone in a text that has one meaning. */
export const ZONES = new RegExp(`${IANA.source}|${OFFSET.source}|${UTC.source}`, "gi");
const ABBREVIATION = /\b(?:[CEMPAW]E?[SD]?T|CE[S]?T|B?ST|I?ST|JST|K?ST|A[EC]?[SD]T|[A-Z]{1,3}[SD]T|[CEW]ET)\b/;

/**
 * Finds the zone that a text names: UTC, an offset from it, or a name of the IANA database. With `strict` anything else
 * that looks like a zone is told as unknown.
 */
export function findZone(text: string, strict = true): ZoneReading | undefined {
  const name = IANA.exec(text)?.[0];
  if (name !== undefined) return isKnownZone(name) ? { zone: name, text: name } : { unknown: name, text: name };
  const offset = OFFSET.exec(text);
  if (offset !== null) return toOffset(offset);
  const utc = UTC.exec(text)?.[0];
  if (utc !== undefined) return { zone: "UTC", text: utc };
  if (!strict) return undefined;
  const unknown = ABBREVIATION.exec(text)?.[0] ?? LIKE_IANA.exec(text)?.[0];
  return unknown === undefined ? undefined : { unknown, text: unknown };
}

function toOffset(match: RegExpExecArray): ZoneReading {
  const hours = Number(match[2] ?? 0);
  const minutes = Number(match[3] ?? 0);
  if (hours > 14 || minutes > 59) return { unknown: match[0], text: match[0] };
  const sign = match[1] === "+" ? "+" : "-";
  return { zone: `${sign}${pad(hours)}:${pad(minutes)}`, text: match[0] };
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}

const known = new Map<string, boolean>();

/** True for a name of the IANA time zone database that this machine's tables have. */
export function isKnownZone(zone: string): boolean {
  let answer = known.get(zone);
  if (answer === undefined) {
    try {
      answer = new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
    } catch {
      answer = false;
    }
    // Bounded, since a file can name any number of zones that do not exist.
    if (known.size < 1000) known.set(zone, answer);
  }
  return answer;
}
