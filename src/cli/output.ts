import type { Clock } from "../clock.ts";
import { rfc3339 } from "../clock.ts";
import { codeOf, isSunnyError, messageOf, renderError, SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import { canonicalJson } from "../json.ts";

/**
 * What a command's exit status means; nothing else is ever returned. `refused`: refused or a check failed, and nothing
 * was changed. `held`: a person must decide.
 */
export const EXIT = { done: 0, refused: 1, usage: 2, rolledBack: 3, held: 4, interrupted: 130 } as const;

/** One of the statuses above. */
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Where text goes. Structural, so that tests pass a plain object; process.stdout and process.stderr fit. */
export interface OutputStream {
  write(text: string): unknown;
  on?(event: "error", listener: (error: Error) => void): unknown;
}

export interface OutputOptions {
  /** One event a line on stdout; people's text goes to stderr. */
  readonly json: boolean;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly clock: Clock;
}

/** What verbs write through. With `json` off, events are not shown. */
export interface Output {
  readonly json: boolean;
  /** One event: `{"event": name, "at": ..., ...data}`. */
  event(name: string, data?: Readonly<Record<string, unknown>>): void;
  /** For people: to stdout, or to stderr with `json`. A line feed is added when it lacks one. */
  text(text: string): void;
  /** For people, beside the result: always to stderr. */
  note(text: string): void;
  /** The last event of every command; with `json` off nothing. At most once; later calls are ignored. */
  summary(data: Readonly<Record<string, unknown>>): void;
  /** Renders an error for people on stderr, and as an `error` event with `json`. */
  error(error: unknown): void;
}

/** The exit status that an error leads to when nothing was changed: usage 2, interrupted 130, everything else 1. */
export function exitStatusOf(error: unknown): ExitStatus {
  if (isSunnyError(error, "USAGE")) return EXIT.usage;
  if (isSunnyError(error, "INTERRUPTED")) return EXIT.interrupted;
  return EXIT.refused;
}

/** The exit status of a deployment by its outcome; `refused` is also that of a run that failed before it changed anything. */
export function exitStatusOfOutcome(outcome: "succeeded" | "rolled-back" | "refused" | "held"): ExitStatus {
  switch (outcome) {
    case "succeeded":
      return EXIT.done;
    case "rolled-back":
      return EXIT.rolledBack;
    case "refused":
      return EXIT.refused;
    case "held":
      return EXIT.held;
  }
}

/**
 * Builds the output of one command. A reader that goes away (`sunny watch | head`) or a disk that is full ends what is
 * shown, never what is done.
 */
export function createOutput({ json, stdout, stderr, clock }: OutputOptions): Output {
  let summarised = false;
  for (const stream of [stdout, stderr]) stream.on?.("error", ignore);
  const event = (name: string, data: Readonly<Record<string, unknown>> = {}): void => {
    if (!json || summarised) return;
    stdout.write(`${eventLine(name, rfc3339(clock.now()), data)}\n`);
  };
  return {
    json,
    event,
    text: (text) => line(json ? stderr : stdout, text),
    note: (text) => line(stderr, text),
    summary(data) {
      event("summary", data);
      summarised = true;
    },
    error(error) {
      event("error", errorData(error));
      line(stderr, renderError(error));
    },
  };
}

function ignore(): void {
  // Writing to a closed pipe fails each time; the journal and the audit log have all that matters.
}

function line(stream: OutputStream, text: string): void {
  stream.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** One event as its line, without the line feed: `event` and `at` first, then the members of `data` as they stand. */
export function eventLine(name: string, at: string, data: Readonly<Record<string, unknown>>): string {
  const { event: _event, at: _at, ...rest } = data;
  return JSON.stringify({ event: name, at, ...rest });
}

/** An error as members of an event: code, message, and hint, place and details where there are any. */
export function errorData(error: unknown): Record<string, Json> {
  if (!(error instanceof SunnyError)) return { code: codeOf(error), message: messageOf(error) };
  const { code, message, hint, place, details } = error;
  const data = { code, message, ...(hint === undefined ? {} : { hint }), ...(place === undefined ? {} : { place }) };
  const whole = Object.keys(details).length === 0 ? data : { ...data, details };
  return JSON.parse(canonicalJson(whole)) as Record<string, Json>;
}
