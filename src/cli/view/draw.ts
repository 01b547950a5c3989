import { span, type Line, type Span } from "./span.ts";
import type { Symbols } from "./theme.ts";

/**
 * The last `width` values as one cell each, scaled so that the limit stands at three quarters of the height (without a
 * limit the largest value fills it). What is above the limit is marked; intervals without data stay empty.
 */
export function sparkline(
  values: readonly (number | null)[],
  limit: number | null,
  width: number,
  symbols: Symbols,
): Line {
  const shown = values.slice(-width);
  const known = shown.filter((value) => value !== null);
  const top = limit !== null && limit > 0 ? limit / 0.75 : Math.max(0, ...known);
  const cells = shown.map((value): Span => {
    if (value === null) return span(symbols.gap);
    const step = top === 0 ? 0 : Math.floor((Math.max(0, value) / top) * symbols.sparks.length);
    const mark = symbols.sparks[Math.min(step, symbols.sparks.length - 1)] ?? "";
    return span(mark, limit !== null && value > limit ? "bad" : "plain");
  });
  return [span(symbols.gap.repeat(Math.max(0, width - shown.length))), ...joined(cells)];
}

/** Neighbours of the same tone become one piece, which keeps what is written to the terminal short. */
function joined(line: Line): Span[] {
  const out: Span[] = [];
  for (const piece of line) {
    const last = out.at(-1);
    if (last?.tone === piece.tone) out[out.length - 1] = { ...last, text: last.text + piece.text };
    else out.push(piece);
  }
  return out;
}

/** A bar of `width` cells of which `part` (0 to 1) is filled; a part above 0 shows at least one cell, one below 1 is never full. */
export function bar(part: number, width: number, symbols: Symbols): Line {
  const clamped = Math.min(1, Math.max(0, Number.isFinite(part) ? part : 0));
  const rounded = Math.round(clamped * width);
  const filled = clamped === 0 || clamped === 1 ? rounded : Math.min(width - 1, Math.max(1, rounded));
  return [span(symbols.full.repeat(filled), "accent"), span(symbols.empty.repeat(width - filled), "dim")];
}
