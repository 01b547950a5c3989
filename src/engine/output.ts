import type { JournalTransaction } from "./journal.ts";

/** Longest unfinished line that is held back; a longer one is kept in pieces. */
const LINE_BYTES = 16 * 1024;
/** Longest private key that is held back until its last line has come. */
const KEY_BYTES = 64 * 1024;
const KEY_MARK = /-----(BEGIN|END) [A-Z ]*PRIVATE KEY/g;

/**
 * Collects the output of one attempt at a step. Text is scrubbed by whole lines, so that a secret which arrives in two
 * pieces is found; a line is held back until it ends, and a private key until its last line.
 */
export class StepOutput {
  readonly #run: string;
  readonly #step: string;
  readonly #attempt: number;
  readonly #scrub: (text: string) => string;
  readonly #limit: number;
  #kept: number;
  #lines = "";
  #partial = "";
  #cut = false;
  #finished = false;

  /** `kept`: bytes of this step that are in the journal already; `limit`: bytes kept of a step. */
  constructor(
    of: { run: string; step: string; attempt: number },
    scrub: (text: string) => string,
    limit: number,
    kept: number,
  ) {
    this.#run = of.run;
    this.#step = of.step;
    this.#attempt = of.attempt;
    this.#scrub = scrub;
    this.#limit = limit;
    this.#kept = kept;
    this.#cut = kept >= limit;
  }

  add(text: string): void {
    if (this.#cut) return;
    const whole = this.#partial + text;
    const end = whole.length > LINE_BYTES ? whole.length : whole.lastIndexOf("\n") + 1;
    this.#lines += whole.slice(0, end);
    this.#partial = whole.slice(end);
  }

  /** The attempt is over: nothing is held back any longer. */
  finish(): void {
    if (this.#partial !== "") this.#lines += `${this.#partial}\n`;
    this.#partial = "";
    this.#finished = true;
  }

  /** Writes what has come since the last time. */
  drain(tx: JournalTransaction, at: number): void {
    if (this.#lines === "" || this.#cut) return;
    const ready = this.#finished ? this.#lines.length : beforeOpenKey(this.#lines);
    if (ready === 0) return;
    let text = this.#scrub(this.#lines.slice(0, ready));
    this.#lines = this.#lines.slice(ready);
    const room = this.#limit - this.#kept;
    if (Buffer.byteLength(text) > room) {
      const head = Buffer.from(text).subarray(0, Math.max(0, room)).toString("utf8");
      text = `${head}\n[output cut here: ${this.#limit} bytes are kept of a step]\n`;
      this.#cut = true;
    }
    this.#kept += Buffer.byteLength(text);
    tx.appendOutput({ run: this.#run, step: this.#step, attempt: this.#attempt, at, text });
  }
}

/** How much of the text comes before a private key whose end has not come yet. */
function beforeOpenKey(text: string): number {
  const last = [...text.matchAll(KEY_MARK)].at(-1);
  if (last?.[1] !== "BEGIN" || text.length - last.index > KEY_BYTES) return text.length;
  return text.lastIndexOf("\n", last.index) + 1;
}
