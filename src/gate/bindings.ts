import type { GateBinding } from "../system/schema.ts";

/** Gate texts that speak of something an operation can check: every group of words must occur, in any order. */
interface Keyword {
  readonly all: readonly RegExp[];
  readonly operation: string;
}

/* In this order: the first that fits and is known wins. Things only people know (reviews, secrets) are not here. */
const KEYWORDS: readonly Keyword[] = [
  { all: [/\b(ssl|tls|https|x\.?509|certificates?|certs?)\b/i], operation: "verify-ssl" },
  {
    all: [
      /\bback-?ups?\b/i,
      /\b(current|recent|fresh|up[ -]to[ -]date|taken|exists?|available|valid|verified|complete|completed|recoverable|tested)\b/i,
    ],
    operation: "verify-backups",
  },
  { all: [/\b(monitoring|metrics|alerting|alerts?|dashboards?|observability)\b/i], operation: "verify-monitoring" },
  {
    all: [/\b(load[ -]?balanc(er|ers|ing)|haproxy|(?<!server )pools?|upstreams?)\b/i],
    operation: "verify-infrastructure",
  },
  {
    all: [/\b(penetration|pen-?tests?|(security|vulnerability) (scans?|scanning|tests?|testing))\b/i],
    operation: "security-penetration-test",
  },
  {
    all: [/\b(database|db|mongo(db)?)\b/i, /\b(connect(ed|ion|ions|ivity)?|reachable|responsive)\b/i],
    operation: "check-db-connection",
  },
  { all: [/\bmigrations?\b/i, /\b(verified|applied|tested|checked)\b/i], operation: "verify-migrations" },
];

/** A person with any role may attest a gate that nothing is bound to, and for this long, milliseconds. */
const ATTESTATION_MS = 86_400_000;

/**
 * What is bound to a gate text when the configuration binds nothing: the first operation of the table above that the
 * text speaks of and that `operations` (names) knows. Null when there is none: a person must attest the gate.
 */
export function defaultGate(text: string, operations: ReadonlySet<string>): GateBinding | null {
  for (const { all, operation } of KEYWORDS) {
    if (operations.has(operation) && all.every((pattern) => pattern.test(text))) {
      return { kind: "operation", name: operation, args: {} };
    }
  }
  return null;
}

/** The binding of a gate that nothing checks: anybody named in the configuration may attest it, for a day. */
export const ATTESTED_BY_ANYBODY: GateBinding = { kind: "attest", roles: ["*"], validMs: ATTESTATION_MS };

/** Gate texts and the operations that check them by default, for documentation: patterns in order of precedence. */
export function defaultBindings(): readonly { readonly words: string; readonly operation: string }[] {
  return KEYWORDS.map(({ all, operation }) => ({
    words: all.map((pattern) => pattern.source).join(" and "),
    operation,
  }));
}
