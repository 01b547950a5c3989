import { inspect } from "node:util";
import { findSecrets } from "./secret-shapes.ts";

const REDACTED = "[secret]";

/**
 * A value that must never be shown. It redacts itself in strings, JSON, `console.log` and `util.inspect`; `reveal()` is
 * the only way to the value, so a search for it finds every place where a secret leaves its wrapping.
 */
export class Secret {
  readonly #value: string;
  /** What the secret is, for messages: "PGP passphrase of the CTO". */
  readonly label: string;

  constructor(value: string, label: string) {
    this.#value = value;
    this.label = label;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/** A private key in armour; one that is cut off lasts to the end of the text. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?=\n?$))/g;

/**
 * Returns a function that removes from text every one of `secrets` (also in base64 and URL encoding), what has the shape of
 * a credential (private keys, keys of cloud services, tokens, passwords after their name or in a URL), and every card number
 * (13 to 19 digits that pass the Luhn check, spaces and dashes allowed). Secrets shorter than 4 characters are ignored:
 * removing them would destroy the text without hiding anything.
 */
export function scrubber(secrets: readonly Secret[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    const value = secret.reveal();
    if (value.length < 4) continue;
    forms.add(value);
    forms.add(encodeURIComponent(value));
    forms.add(Buffer.from(value).toString("base64").replace(/=+$/, ""));
  }
  const ordered = [...forms].toSorted((a, b) => b.length - a.length);
  return (text) => {
    let out = text;
    for (const form of ordered) out = out.replaceAll(form, REDACTED);
    out = withoutShapes(out.replaceAll(PRIVATE_KEY, "[private key]"));
    return out.replaceAll(/(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.])/g, (digits) =>
      passesLuhn(digits.replaceAll(/\D/g, "")) ? "[card number]" : digits,
    );
  };
}

function withoutShapes(text: string): string {
  let [out, last] = ["", 0];
  for (const { at, end } of findSecrets(text)) {
    out += text.slice(last, at) + REDACTED;
    last = end;
  }
  return out + text.slice(last);
}

/** The check-digit rule of payment card numbers (ISO/IEC 7812-1, annex B). */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
