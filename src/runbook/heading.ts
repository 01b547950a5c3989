import { aroundDeployment, canonical } from "./synonyms.ts";
import { isSecondOption } from "./titles.ts";
import { FILLERS, MEANT_AS_FILLERS, VOCABULARY } from "./vocabulary.ts";
import type { SectionKind } from "./vocabulary.ts";

const PHRASES: ReadonlyMap<string, SectionKind> = new Map(
  Object.entries(VOCABULARY).flatMap(([kind, entry]) =>
    entry.phrases.map((phrase) => [phrase, kind as SectionKind] as const),
  ),
);

/** Phrases without their fillers; the first kind that claims one keeps it. */
const BARE: ReadonlyMap<string, SectionKind> = new Map(
  [...PHRASES].toReversed().flatMap(([phrase, kind]) => {
    const bare = withoutFillers(phrase.split(" "), new Set());
    return bare === "" ? [] : [[bare, kind] as const];
  }),
);

/** The same with synonyms replaced; what two kinds claim belongs to the one that has it as a phrase, or to neither. */
let byCanonical: ReadonlyMap<string, SectionKind> | undefined;

const MEANINGFUL: ReadonlySet<string> = new Set([...PHRASES.keys()].flatMap((phrase) => phrase.split(" ")));

const NUMBERING =
  /^(?:(?:step|phase|stage|part|section|chapter|appendix|option|variant)\s+(?:\d+(?:\.\d+)*|[ivx]+|[a-h])\b|\d+(?:\.\d+)*(?=[.):\s-])|(?:[ivx]+|[a-h])(?=[.)]))[.):\s–—-]*/i;

export interface NumberedTitle {
  /** The heading without numbering and decoration. */
  readonly title: string;
  readonly number?: number;
  /** It begins with "Step 3" or "Phase 3" or "Stage 3". */
  readonly isStep: boolean;
  /** It begins with "Option B" or "Variant 2": the second of several alternatives, or a further one. */
  readonly isSecondOption?: true;
}

/** Takes emoji and numbering off a heading: "🚀 Step 2 — Migrate" is "Migrate", number 2. */
export function splitNumbering(heading: string): NumberedTitle {
  const bare = /^\w/.test(heading) ? heading : heading.replace(/^[^\p{L}\p{N}([]+/u, "").trim();
  const numbering = NUMBERING.exec(bare)?.[0];
  if (numbering === undefined) return { title: bare.replace(/[\s:]+$/, ""), isStep: false };
  const title = bare
    .slice(numbering.length)
    .replace(/[\s:]+$/, "")
    .trim();
  const digits = /^\D*(\d{1,6})\D*$/.exec(numbering)?.[1];
  const isStep = /^(?:step|phase|stage)\b/i.test(numbering);
  return {
    title: title === "" ? bare : title,
    isStep,
    ...(isSecondOption(bare) ? { isSecondOption: true } : {}),
    ...(digits === undefined ? {} : { number: Number(digits) }),
  };
}

/** The words of a runbook's title that mean nothing to Sunny: its subject, which headings may repeat. */
export function subjectWords(title: string): ReadonlySet<string> {
  return new Set(wordsOf(title).filter((word) => !MEANINGFUL.has(word)));
}

/**
 * What a heading says the section is for. Case, numbering, emoji and punctuation do not matter, nor do words without
 * meaning of their own and the words of the runbook's subject. What stands in parentheses or after a colon or a dash
 * may be left out. Anything else is not recognised: a heading is never matched by one of its words alone.
 */
export function recogniseHeading(heading: string, subject: ReadonlySet<string>): SectionKind | undefined {
  return recogniseTitle(splitNumbering(heading).title, subject);
}

/** The same for a heading whose numbering was taken off before. */
export function recogniseTitle(title: string, subject: ReadonlySet<string>): SectionKind | undefined {
  for (const variant of variantsOf(title)) {
    const words = wordsOf(variant);
    const kind = PHRASES.get(words.join(" ")) ?? BARE.get(withoutFillers(words, subject)) ?? byMeaning(words, subject);
    if (kind !== undefined) return kind;
  }
  return undefined;
}

function byMeaning(words: readonly string[], subject: ReadonlySet<string>): SectionKind | undefined {
  const meaning = meaningOf(words, subject);
  const around = aroundDeployment(meaning);
  if (around !== undefined) return around === "before" ? "checklist" : "post-deployment";
  // Made for the first heading that is not known by its own words, which most runbooks do not have.
  byCanonical ??= onlyOnce(
    [...PHRASES].map(([phrase, kind]) => [meaningOf(phrase.split(" "), new Set()).join(" "), kind] as const),
  );
  return byCanonical.get(meaning.join(" "));
}

/** Groups of words are looked for before fillers are left out, since "step by step" holds some. */
function meaningOf(words: readonly string[], subject: ReadonlySet<string>): string[] {
  const meant = canonical(words).filter(
    (word) => !FILLERS.has(word) && !MEANT_AS_FILLERS.has(word) && !subject.has(word),
  );
  return canonical(meant);
}

function onlyOnce(entries: readonly (readonly [string, SectionKind])[]): Map<string, SectionKind> {
  const kinds = Map.groupBy(entries, ([meaning]) => meaning);
  return new Map(
    [...kinds].flatMap(([meaning, claims]) => {
      const literal = PHRASES.get(meaning);
      const [first, ...others] = new Set(claims.map(([, kind]) => kind));
      const kind = literal ?? (others.length === 0 ? first : undefined);
      return meaning === "" || kind === undefined ? [] : [[meaning, kind] as const];
    }),
  );
}

function variantsOf(title: string): readonly string[] {
  if (!/[([:–—-]/.test(title)) return [title];
  const unbracketed = title.replaceAll(/\([^)]*\)|\[[^\]]*\]/g, " ");
  return [title, unbracketed, unbracketed.split(/:\s|\s[-–—]+\s/)[0] ?? ""];
}

/** Lower-case words; everything that is neither letter nor digit separates them. */
export function wordsOf(text: string): string[] {
  const isAscii = /^[ -~]*$/.test(text);
  const plain = isAscii ? text.toLowerCase() : text.normalize("NFKC").toLowerCase();
  const joined = /['’]/.test(plain) ? plain.replaceAll(/['’]/g, "") : plain;
  return joined.match(isAscii ? /[a-z0-9]+/g : /[\p{L}\p{N}]+/gu) ?? [];
}

function withoutFillers(words: readonly string[], subject: ReadonlySet<string>): string {
  return words.filter((word) => !FILLERS.has(word) && !subject.has(word)).join(" ");
}
