import type { Control, ControlRow, Delivery, JournalRow } from "./rows.ts";

/** The requests to one run that were seen so far, in the order in which they were made. */
export class RunControls {
  /** The newest control row that was looked at. */
  seen = 0;
  readonly #interrupts: Delivery[] = [];
  readonly #signals: ControlRow[] = [];
  readonly #resolutions: ControlRow[] = [];
  readonly #delivered = new Set<number>();

  add(row: ControlRow): void {
    const { control } = row;
    if (control.kind === "interrupt") this.#interrupts.push({ control: row.seq, reason: control.reason });
    if (control.kind === "signal") this.#signals.push(row);
    if (control.kind === "resolve") this.#resolutions.push(row);
  }

  /** The oldest interrupt that was not delivered yet, and is not in `also`. */
  pending(also: (control: number) => boolean): Delivery | undefined {
    return this.#interrupts.find(({ control }) => !this.#delivered.has(control) && !also(control));
  }

  isDelivered(control: number): boolean {
    return this.#delivered.has(control);
  }

  deliver(delivery: Delivery): void {
    this.#delivered.add(delivery.control);
  }

  signal(
    name: string,
  ): { readonly row: ControlRow; readonly value: Extract<Control, { kind: "signal" }>["value"] } | undefined {
    for (const row of this.#signals) {
      if (row.control.kind === "signal" && row.control.name === name) return { row, value: row.control.value };
    }
    return undefined;
  }

  /** What a person decided about a step after the journal's row `afterSeq`. */
  resolution(step: string, afterSeq: number): ResolveRow | undefined {
    for (const row of this.#resolutions) {
      const { control } = row;
      if (row.seq > afterSeq && control.kind === "resolve" && control.step === step) return { ...row, control };
    }
    return undefined;
  }
}

export type ResolveRow = ControlRow & { readonly control: Extract<Control, { kind: "resolve" }> };

/** What `request` puts into the data of a control row. */
interface ControlData {
  readonly control: Control;
  readonly reason: string | null;
  readonly signature: string | null;
}

/** A row of type `control` as executors see it. */
export function toControlRow(row: JournalRow): ControlRow {
  const { control, reason, signature } = row.data as unknown as ControlData;
  return { seq: row.seq, run: row.run, at: row.at, by: row.actor, reason, signature, control };
}
