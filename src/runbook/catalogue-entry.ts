/** `error`: nothing is planned. `warning`: Sunny says what it does instead. `info`: good to know. */
export type Severity = "error" | "warning" | "info";

export interface CatalogueEntry {
  readonly severity: Severity;
  /** A few words, as a heading. */
  readonly title: string;
  /** Why it matters and what Sunny does. */
  readonly meaning: string;
  /** What the author can do, as a sentence. */
  readonly remedy: string;
}
