import type { OutputChunk } from "../engine/storage.ts";
import type { ViewLog } from "./view/model.ts";

/** Lines that the view may still show. */
const KEPT = 50;

/** The last lines of what steps and the watcher wrote. */
export class Tail {
  #lines: readonly ViewLog[] = [];
  #lastSeq = 0;
  #lastNote = 0;
  readonly #titleOf: (step: string) => string;

  /** `titleOf` gives what people call a durable step. */
  constructor(titleOf: (step: string) => string) {
    this.#titleOf = titleOf;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get lines(): readonly ViewLog[] {
    return this.#lines;
  }

  /** Takes in output that came after `lastSeq`. */
  add(chunks: readonly OutputChunk[]): void {
    for (const { seq, step, at, text } of chunks) {
      this.#lastSeq = seq;
      const lines = text.split("\n").filter((line) => line.trim() !== "");
      this.#keep(lines.map((line) => ({ at, text: line, step: this.#titleOf(step) })));
    }
  }

  /** Takes in notes of the watcher; those that it has are passed over. */
  addNotes(notes: readonly { readonly at: number; readonly text: string }[]): void {
    const fresh = notes.filter(({ at }) => at > this.#lastNote);
    this.#lastNote = notes.at(-1)?.at ?? this.#lastNote;
    this.#keep(fresh.map(({ at, text }) => ({ at, text, step: "watch" })));
  }

  #keep(lines: readonly ViewLog[]): void {
    this.#lines = [...this.#lines, ...lines].slice(-KEPT);
  }
}
