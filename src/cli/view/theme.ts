import type { HostState, RuleVerdict, StepState, ViewState } from "./model.ts";
import type { Line, Tone } from "./span.ts";

/** The characters of the view: one set for UTF-8, one for plain ASCII; each mark is one cell wide. */
export interface Symbols {
  readonly done: string;
  readonly failed: string;
  readonly running: string;
  readonly pending: string;
  readonly skipped: string;
  readonly held: string;
  readonly attested: string;
  readonly reverted: string;
  readonly dot: string;
  readonly ring: string;
  readonly arrow: string;
  readonly pointer: string;
  readonly separator: string;
  readonly ellipsis: string;
  readonly full: string;
  readonly empty: string;
  readonly rule: string;
  /** From lowest to highest. */
  readonly sparks: readonly string[];
  readonly gap: string;
}

const UNICODE: Symbols = {
  done: "✓",
  failed: "✗",
  running: "●",
  pending: "·",
  skipped: "–",
  held: "‖",
  attested: "✎",
  reverted: "↺",
  dot: "●",
  ring: "○",
  arrow: "→",
  pointer: "▸",
  separator: "·",
  ellipsis: "…",
  full: "━",
  empty: "─",
  rule: "─",
  sparks: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
  gap: " ",
};

const ASCII: Symbols = {
  done: "+",
  failed: "x",
  running: "*",
  pending: ".",
  skipped: "-",
  held: "=",
  attested: "~",
  reverted: "<",
  dot: "*",
  ring: "o",
  arrow: ">",
  pointer: ">",
  separator: "-",
  ellipsis: "~",
  full: "#",
  empty: "-",
  rule: "-",
  sparks: ["_", ".", ":", "-", "=", "+", "*", "#"],
  gap: " ",
};

/** How the view looks on one terminal. */
export interface Theme {
  readonly symbols: Symbols;
  /** A line as it is written: with escape sequences when colour is on. Without a line feed. */
  paint(line: Line): string;
}

const SGR: Readonly<Record<Tone, string>> = {
  plain: "",
  bold: "\u001B[1m",
  dim: "\u001B[90m",
  // The colour of the sun (214 of 256) is the one accent: what is going on, and what a person must do.
  accent: "\u001B[38;5;214m",
  good: "\u001B[32m",
  bad: "\u001B[31m",
};

/** Builds a theme. */
export function createTheme({ color, unicode }: { readonly color: boolean; readonly unicode: boolean }): Theme {
  return {
    symbols: unicode ? UNICODE : ASCII,
    paint(line) {
      const last = line.findLastIndex((piece) => piece.text.trim() !== "");
      const painted = line.slice(0, last + 1).map(({ text, tone }, index) => {
        const shown = index === last ? text.trimEnd() : text;
        const code = color ? SGR[tone] : "";
        return code === "" || shown.trim() === "" ? shown : `${code}${shown}\u001B[0m`;
      });
      return painted.join("");
    },
  };
}

/** What decides about colour and characters. */
export interface ThemeInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTTY: boolean;
  /** `--no-color`. */
  readonly noColor: boolean;
}

/**
 * Colour: `--no-color` and TERM=dumb turn it off, FORCE_COLOR decides next (0 is off), then NO_COLOR (not empty is
 * off), else terminals have it. Characters: UTF-8 when the first of LC_ALL, LC_CTYPE, LANG that is set says so.
 */
export function detectTheme({ env, isTTY, noColor }: ThemeInput): { color: boolean; unicode: boolean } {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  return { color: colorOf(env, isTTY, noColor), unicode: /utf-?8/i.test(locale ?? "") };
}

function colorOf(env: ThemeInput["env"], isTTY: boolean, noColor: boolean): boolean {
  if (noColor) return false;
  const force = env["FORCE_COLOR"];
  if (force !== undefined) return force !== "0" && force !== "false";
  if ((env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb") return false;
  return isTTY;
}

/** Mark and tone of a step. */
export function stepMark(state: StepState, symbols: Symbols): { mark: string; tone: Tone } {
  switch (state) {
    case "pending":
      return { mark: symbols.pending, tone: "dim" };
    case "running":
      return { mark: symbols.running, tone: "accent" };
    case "done":
      return { mark: symbols.done, tone: "good" };
    case "failed":
      return { mark: symbols.failed, tone: "bad" };
    case "skipped":
      return { mark: symbols.skipped, tone: "dim" };
    case "held":
      return { mark: symbols.held, tone: "accent" };
    case "attested":
      return { mark: symbols.attested, tone: "plain" };
    case "reverted":
      return { mark: symbols.reverted, tone: "dim" };
  }
}

/** Tone of a deployment's state. */
export function stateTone(state: ViewState): Tone {
  switch (state) {
    case "succeeded":
      return "good";
    case "refused":
    case "rolled-back":
    case "rolling-back":
      return "bad";
    case "waiting":
    case "running":
    case "paused":
    case "held":
      return "accent";
  }
}

/** Tone of a host's state: calm while it serves, accent while something is done to it. */
export function hostTone(state: HostState): Tone {
  switch (state) {
    case "serving":
    case "healthy":
    case "reverted":
      return "good";
    case "down":
      return "bad";
    case "unknown":
    case "drained":
      return "dim";
    case "draining":
    case "installing":
    case "activating":
    case "confirming":
    case "reverting":
      return "accent";
  }
}

/** Tone of a rule's verdict. */
export function verdictTone(verdict: RuleVerdict): Tone {
  switch (verdict) {
    case "healthy":
      return "good";
    case "degraded":
      return "bad";
    case "blind":
      return "accent";
    case "undecided":
      return "dim";
  }
}
