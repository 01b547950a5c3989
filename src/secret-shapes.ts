/** A stretch of text that looks like a secret, by offsets (UTF-16 units). */
export interface FoundSecret {
  readonly at: number;
  readonly end: number;
  /** What kind of secret it seems to be. */
  readonly what: string;
}

interface Pattern {
  readonly what: string;
  /** Its first group, or all of it when there is none, is the secret. */
  readonly pattern: RegExp;
}

/** A literal value: not a variable, a substitution, a placeholder, a path, or asterisks. */
const VALUE = String.raw`["']?((?![$<{[*\/.@~]|(?:YOUR|MY|CHANGE|REPLACE|INSERT|TODO|XXX|xxx|secret|password|token|true|false|none|null)\b|(?:YOUR|MY|CHANGE|REPLACE|INSERT)_)[^\s"'$<>{}|;&]{6,})`;

const PATTERNS: readonly Pattern[] = [
  { what: "a private key", pattern: /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----/g },
  { what: "an AWS access key", pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { what: "a GitHub token", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})/g },
  { what: "a Slack token", pattern: /\bxox[abprs]-[A-Za-z0-9-]{10,}/g },
  { what: "a payment key", pattern: /\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}/g },
  { what: "a signed token", pattern: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*/g },
  { what: "a password in a URL", pattern: /:\/\/[^\s/:@$<{]+:([^\s/:@$<{}]{3,})@/g },
  { what: "a bearer token", pattern: /\bauthorization:\s*(?:bearer|basic|token)\s+(?![$<{[])([\w.~+/=-]{8,})/gi },
  {
    what: "a password or key",
    pattern: new RegExp(
      String.raw`(?<![\w-])(?:--?)?(?:[\w-]*[_-])?(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key)["']?\s*(?:=|:\s)\s*${VALUE}`,
      "gi",
    ),
  },
  {
    what: "a password or key",
    pattern: new RegExp(
      String.raw`(?<=\s)--(?:[\w-]*-)?(?:password|passwd|passphrase|secret|token|api-key)\s+(?!-)${VALUE}`,
      "gi",
    ),
  },
  {
    what: "a password or key",
    pattern: new RegExp(
      String.raw`"(?:[\w-]*[_-])?(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)":${VALUE}`,
      "gi",
    ),
  },
  { what: "a password", pattern: /\bcurl\b[^\n|;]*\s(?:-u|--user)[ =]["']?[^\s:"'$<{]+:([^\s"'$<{]{3,})/g },
  { what: "a password", pattern: /\bmysql(?:dump|admin)?\b[^\n|;]*\s-p([^\s"'$<{-][^\s"'$<{]{3,})/g },
];

/** Most blocks hold none of the words that every pattern needs, and are done with one look. */
const HINT =
  /pass|pwd|secret|token|key|authorization|AKIA|ASIA|gh[pousr]_|github_pat|xox|[sr]k_|eyJ|:\/\/[^\s/]*@|\s-u|--user|mysql/i;

/** Stretches of a text that look like secrets, whoever's they are: without overlaps, in order. */
export function findSecrets(text: string): FoundSecret[] {
  const found: FoundSecret[] = [];
  if (!HINT.test(text)) return found;
  for (const { what, pattern } of PATTERNS) {
    for (const match of text.matchAll(pattern)) {
      const secret = match[1] ?? match[0];
      const at = match.index + match[0].lastIndexOf(secret);
      found.push({ at, end: at + secret.length, what });
    }
  }
  let last = 0;
  return found
    .toSorted((a, b) => a.at - b.at)
    .filter((one) => {
      const isNew = one.at >= last;
      if (isNew) last = one.end;
      return isNew;
    });
}
