import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** A payment or refund that was acknowledged, or a POST of which nobody knows whether it was done. */
export type LedgerEntry =
  | {
      readonly kind: "payment";
      readonly key: string;
      readonly id: string;
      readonly amount: number;
      readonly currency: string;
      readonly at: string;
      readonly version: string;
    }
  | {
      readonly kind: "refund";
      readonly key: string;
      readonly id: string;
      readonly payment: string;
      readonly amount: number;
      readonly at: string;
      readonly version: string;
    }
  | {
      readonly kind: "unknown";
      readonly key: string;
      readonly of: "payment" | "refund";
      readonly payment?: string;
      readonly at: string;
    };

/**
 * The customers' side of the story: what the service said it had done. Kept apart from the service, in a file that is
 * only ever appended to, each entry handed to the system before the next request is begun.
 */
export class Ledger {
  readonly #file: number;
  readonly #entries = new Map<string, LedgerEntry>();

  /** Appends to `file`; what an earlier run left there is kept. */
  constructor(file: string) {
    this.#file = openSync(file, "a", 0o600);
  }

  add(entry: LedgerEntry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    this.#entries.set(entry.key, entry);
  }

  /** The latest entry for an idempotency key. */
  get(key: string): LedgerEntry | undefined {
    return this.#entries.get(key);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads a ledger, also while it is being written: a last line that is not complete is left out. */
export function readLedger(file: string): LedgerEntry[] {
  const text = readFileSync(file, "utf8");
  const complete = text.slice(0, text.lastIndexOf("\n") + 1);
  return complete
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LedgerEntry);
}
