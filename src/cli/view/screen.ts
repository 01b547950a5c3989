import type { Clock } from "../../clock.ts";
import { cells, clean } from "./span.ts";

/** A terminal; process.stdout fits. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** Draws frames in place; keeps what was on the terminal before. */
export interface Screen {
  /** Asks for a new frame; painted at once or within 100 ms. */
  refresh(): void;
  /** Writes text that stays, above the frame. */
  above(text: string): void;
  /** Paints the last frame, leaves it standing and gives the cursor back. Later calls do nothing. */
  close(): void;
}

/** Between two paints, milliseconds; and how often a frame is painted when nothing changes, since it shows times. */
const MIN_GAP_MS = 100;
const HEARTBEAT_MS = 1_000;

const HIDE_CURSOR = "\u001B[?25l";
const SHOW_CURSOR = "\u001B[?25h";
const ERASE_BELOW = "\u001B[J";
const ERASE_LINE_END = "\u001B[K";
const NO_WRAP = "\u001B[?7l";
const WRAP = "\u001B[?7h";
/* Synchronised output: terminals that know it show the frame in one go, the others ignore it. */
const BEGIN = "\u001B[?2026h";
const END = "\u001B[?2026l";

/** Opens a screen. `draw` gives the lines for a size, none wider than the terminal. */
export function openScreen(
  terminal: Terminal,
  clock: Clock,
  draw: (width: number, height: number) => string[],
): Screen {
  let painted: readonly string[] = [];
  let paintedWidth = 0;
  let last = -Infinity;
  let pending: (() => void) | null = null;
  let closed = false;

  const size = (): [number, number] => [terminal.columns ?? 80, Math.max(4, terminal.rows ?? 24)];

  /** To the start of the frame. After the terminal became narrower a line may take several, as terminals reflow them. */
  const home = (width: number): string => {
    const lines = painted.reduce((sum, line) => sum + Math.max(1, Math.ceil(cells(clean(line)) / width)), 0);
    return lines === 0 ? "\r" : `\u001B[${lines}A\r`;
  };

  const paint = (above = ""): void => {
    pending?.();
    const [width, height] = size();
    const lines = draw(width, height - 1);
    // After a line that fills the terminal the cursor is still on its last cell, which would be erased.
    const ending = (line: string): string => (cells(clean(line)) < width ? ERASE_LINE_END : "");
    const body = lines.map((line) => `${line}${ending(line)}\n`).join("");
    // Overwriting is calmer than erasing, but what a terminal reflowed must go first.
    const clear = above === "" && width === paintedWidth ? "" : ERASE_BELOW;
    terminal.write(`${BEGIN}${HIDE_CURSOR}${home(width)}${clear}${above}${NO_WRAP}${body}${WRAP}${ERASE_BELOW}${END}`);
    painted = lines;
    paintedWidth = width;
    last = clock.monotonic();
    pending = clock.timer(HEARTBEAT_MS, tick, { unref: true });
  };
  const tick = (): void => {
    pending = null;
    if (!closed) paint();
  };
  const onResize = (): void => {
    if (!closed) paint();
  };
  terminal.on("resize", onResize);

  return {
    refresh() {
      if (closed) return;
      const wait = last + MIN_GAP_MS - clock.monotonic();
      if (wait <= 0) return paint();
      pending?.();
      pending = clock.timer(wait, tick, { unref: true });
    },
    above(text) {
      if (closed) terminal.write(text.endsWith("\n") ? text : `${text}\n`);
      else paint(text.endsWith("\n") ? text : `${text}\n`);
    },
    close() {
      if (closed) return;
      paint();
      closed = true;
      pending?.();
      pending = null;
      terminal.off("resize", onResize);
      terminal.write(SHOW_CURSOR);
    },
  };
}
