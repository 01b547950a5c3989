import { VOCABULARY } from "./vocabulary.ts";
import type { SectionKind } from "./vocabulary.ts";
import type { StepDisposition } from "./model.ts";

/** What a `<!-- sunny: ... -->` comment says. */
export interface Annotation {
  /** A word such as `rollback`: the kind of the section; `ignore` also holds for one code block. */
  readonly kind?: SectionKind;
  readonly timeoutMs?: number;
  readonly disposition?: StepDisposition;
  readonly retries?: number;
  readonly title?: string;
  readonly when?: "always" | "if-needed";
  /** `placeholders=none`: angle brackets and the like mean what the shell takes them for. */
  readonly literal?: boolean;
  /** What could not be understood, each as a sentence. */
  readonly problems: readonly string[];
}

const SETTING = /([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))|(\S+)/g;

/** Reads the text of a comment; undefined when it is not addressed to Sunny. */
export function readAnnotation(comment: string): Annotation | undefined {
  const body = /^\s*sunny\s*:\s*([^]*)$/i.exec(comment)?.[1];
  if (body === undefined) return undefined;
  const problems: string[] = [];
  let annotation: Omit<Annotation, "problems"> = {};
  for (const match of body.matchAll(SETTING)) {
    const [whole, key, double, single, bare] = match;
    const part = key === undefined ? readKind(whole) : readSetting(key.toLowerCase(), double ?? single ?? bare ?? "");
    if (typeof part === "string") problems.push(part);
    else annotation = { ...annotation, ...part };
  }
  if (body.trim() === "") problems.push("The annotation is empty.");
  return { ...annotation, problems };
}

/** The setting, or a sentence that says what is wrong with it. */
type Reading = Omit<Annotation, "problems"> | string;

function readKind(word: string): Reading {
  const kind = word.toLowerCase();
  return Object.hasOwn(VOCABULARY, kind)
    ? { kind: kind as SectionKind }
    : `\`${word}\` is neither a kind of section nor a setting.`;
}

function readSetting(key: string, value: string): Reading {
  switch (key) {
    case "timeout": {
      const ms = readDuration(value);
      return ms === undefined ? `\`timeout=${value}\` is not a duration such as 90s, 5m or 2h.` : { timeoutMs: ms };
    }
    case "disposition":
      return value === "idempotent" || value === "probe" || value === "manual"
        ? { disposition: value }
        : `\`disposition=${value}\` is not one of idempotent, probe, manual.`;
    case "retry":
      return /^\d{1,2}$/.test(value) ? { retries: Number(value) } : `\`retry=${value}\` is not a number from 0 to 99.`;
    case "title":
      return value.trim() === "" ? "The title is empty." : { title: value.trim() };
    case "when":
      return /^(?:always|if[- ]needed)$/.test(value)
        ? { when: value === "always" ? "always" : "if-needed" }
        : `\`when=${value}\` is not one of always, if-needed.`;
    case "placeholders":
      return value === "none" ? { literal: true } : `\`placeholders=${value}\` is not \`placeholders=none\`.`;
    default:
      return `\`${key}\` is not a setting.`;
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration such as `90s`, `5m`, `1.5h` in milliseconds; undefined when it has no unit or is not above zero. */
export function readDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|min|h|d)$/.exec(text.trim());
  const ms = Math.round(Number(match?.[1] ?? 0) * (UNITS[match?.[2] ?? ""] ?? 0));
  return ms > 0 ? ms : undefined;
}
