import type { Clock } from "../../clock.ts";
import type { Output } from "../output.ts";
import { changes, type Change } from "./changes.ts";
import { timeOfDay } from "./format.ts";
import { frame } from "./frame.ts";
import type { ViewModel } from "./model.ts";
import { openScreen, type Terminal } from "./screen.ts";
import { clean, span } from "./span.ts";
import { createTheme, detectTheme, type Theme } from "./theme.ts";

/** Shows one run while it goes on. */
export interface View {
  update(model: ViewModel): void;
  /** Text for people that stays, beside the view. */
  text(text: string): void;
  /** Shows the last state and leaves the terminal as it was; later calls do nothing. */
  close(): void;
}

export interface ViewOptions {
  /** Events, text and whether `--json` was given. */
  readonly output: Output;
  /** Where people's view goes: process.stdout. */
  readonly terminal: Terminal & { readonly isTTY?: boolean };
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--no-color`. */
  readonly noColor: boolean;
}

/**
 * Opens the view that fits: events with `--json`, a screen that is redrawn in place on a terminal, else one line a
 * change with its time. A terminal called "dumb" and continuous integration (CI set) get lines.
 */
export function openView(options: ViewOptions): View {
  const { output, terminal, env } = options;
  if (output.json) return lineView((change) => output.event(change.event, change.data), output);
  const isTTY = terminal.isTTY === true;
  const theme = createTheme(detectTheme({ env, isTTY, noColor: options.noColor }));
  const live = isTTY && env["TERM"] !== "dumb" && (env["CI"] ?? "") === "";
  if (live) return screenView(options, theme);
  const show = (change: Change): void => {
    if (change.quiet !== true) output.text(changeLine(change, options.clock, theme));
  };
  return lineView(show, output);
}

function lineView(show: (change: Change) => void, output: Output): View {
  let before: ViewModel | null = null;
  return {
    update(model) {
      for (const change of changes(before, model)) show(change);
      before = model;
    },
    text: (text) => output.text(text),
    close() {
      before = null;
    },
  };
}

/** One change as a line of text: time of day (UTC), then what happened. */
export function changeLine(change: Change, clock: Clock, theme: Theme): string {
  const time = span(`${timeOfDay(clock.now())}  `, "dim");
  const bad = change.event === "problem" || ["failed", "degraded", "down", "rolled-back"].includes(stateOf(change));
  const tone = bad ? "bad" : change.event === "waiting" ? "accent" : change.event === "log" ? "dim" : "plain";
  return theme.paint([time, span(clean(change.text), tone)]);
}

function stateOf({ data }: Change): string {
  const state = data["state"] ?? data["verdict"];
  return typeof state === "string" ? state : "";
}

function screenView(options: ViewOptions, theme: Theme): View {
  const { clock, terminal } = options;
  let latest: ViewModel | null = null;
  const draw = (width: number, height: number): string[] =>
    latest === null ? [] : frame(latest, { width, height, now: clock.now(), theme });
  const screen = openScreen(terminal, clock, draw);
  return {
    update(model) {
      latest = model;
      screen.refresh();
    },
    text: (text) => screen.above(text),
    close: () => screen.close(),
  };
}
