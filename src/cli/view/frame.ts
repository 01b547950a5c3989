import type { Millis } from "../../clock.ts";
import type { ViewModel } from "./model.ts";
import { leastPhaseLines, phases } from "./phases.ts";
import { header, hosts, log, problems, progress, rules, traffic, waiting, type DrawOptions } from "./sections.ts";
import { cutLine, type Line } from "./span.ts";
import type { Theme } from "./theme.ts";

/** The size of the terminal in cells, and the time. */
export interface FrameOptions {
  readonly width: number;
  readonly height: number;
  readonly now: Millis;
  readonly theme: Theme;
}

/** The log gets what is left of the height, up to this. */
const MAX_LOG_LINES = 6;
/** Narrower than this nothing can be aligned; lines are cut instead. */
const MIN_WIDTH = 40;
/** Wider than this the eye loses the line between a title and its time. */
const MAX_WIDTH = 120;

/**
 * One frame: lines without line feeds, none wider than `width`, at most `height` of them. What matters most is kept
 * when there is not enough room: header, what a person must do, problems, phases; then traffic, limits, hosts, log.
 */
export function frame(model: ViewModel, { width, height, now, theme }: FrameOptions): string[] {
  const options: DrawOptions = {
    width: Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, width - 1)),
    symbols: theme.symbols,
    now,
  };
  const top = [header(model, options)];
  const bottom = [waiting(model, options), problems(model, options)];
  const middle = [
    [...progress(model, options), ...traffic(model, options)],
    rules(model, options),
    hosts(model, options),
  ];
  const least = leastPhaseLines(model);
  const kept: Line[][] = [];
  for (const block of middle) if (size([...top, ...bottom, ...kept, block]) + least + 1 <= height) kept.push(block);
  const room = Math.max(1, height - size([...top, ...bottom, ...kept]) - 1);
  const body = phases(model, room, options);
  const left = height - size([...top, body, ...kept, ...bottom]) - 1;
  const blocks = [...top, body, ...kept, log(model.log, Math.min(MAX_LOG_LINES, left), options), ...bottom];
  const lines = blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 ? block : [[], ...block]));
  return lines
    .slice(0, Math.max(1, height))
    .map((line) => theme.paint(cutLine(line, Math.max(1, width - 1), theme.symbols.ellipsis)));
}

/** Lines of blocks with one empty line between two of them. */
function size(blocks: readonly (readonly Line[])[]): number {
  const full = blocks.filter((block) => block.length > 0);
  return full.reduce((sum, block) => sum + block.length, 0) + Math.max(0, full.length - 1);
}
