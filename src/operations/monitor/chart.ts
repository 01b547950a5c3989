/** Eighths of a cell, from empty to full. */
const BLOCKS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/**
 * One line of bars, latest value last, scaled to `top` (default: the largest value). No data is `·`, a value beyond
 * `top` a full block. Long histories are thinned to `width` cells by taking the worst of each stretch.
 */
export function sparkline(values: readonly (number | null)[], options: { width?: number; top?: number } = {}): string {
  const { width = 60 } = options;
  const cells = thin(values, width);
  const top = options.top ?? Math.max(0, ...cells.filter((value) => value !== null));
  return cells.map((value) => (value === null ? "·" : block(value, top))).join("");
}

function block(value: number, top: number): string {
  if (!(value > 0) || !(top > 0)) return BLOCKS[0];
  return BLOCKS[Math.min(8, Math.max(1, Math.round((value / top) * 8)))]!;
}

function thin(values: readonly (number | null)[], width: number): (number | null)[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, cell) => {
    const stretch = values.slice(
      Math.floor((cell * values.length) / width),
      Math.floor(((cell + 1) * values.length) / width),
    );
    const known = stretch.filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  });
}

export interface ChartOptions {
  /** Cells and lines of the plot, without the axis; default 60 × 6. */
  readonly width?: number;
  readonly height?: number;
  /** Drawn as a line of dashes, and always in view. */
  readonly limit?: number | null;
  /** Labels of the axis. */
  readonly format?: (value: number) => string;
}

/** A chart of bars with an axis and the limit, for a terminal with Unicode; several lines without a trailing newline. */
export function chart(values: readonly (number | null)[], options: ChartOptions = {}): string {
  const {
    width = 60,
    height = 6,
    limit = null,
    format = (value: number) => String(Number(value.toPrecision(3))),
  } = options;
  const cells = thin(values, width);
  const highest = Math.max(0, limit ?? 0, ...cells.filter((value) => value !== null));
  const top = highest > 0 ? highest * 1.05 : 1;
  const limitRow = limit === null ? -1 : Math.min(height - 1, Math.floor((limit / top) * height));
  const labels = Array.from({ length: height }, (_, row) => {
    if (row === limitRow) return format(limit!);
    return row === 0 ? format(0) : row === height - 1 ? format(top) : "";
  });
  const margin = Math.max(...labels.map((label) => label.length));
  const lines = labels.map((label, row) => {
    const plot = cells.map((value) => cellOf(value, row, height, top, row === limitRow)).join("");
    return `${label.padStart(margin)} ${row === limitRow ? "┤" : "│"}${plot}`.trimEnd();
  });
  return lines.toReversed().join("\n");
}

function cellOf(value: number | null, row: number, height: number, top: number, isLimit: boolean): string {
  const empty = isLimit ? "╌" : " ";
  if (value === null) return row === 0 ? "·" : empty;
  const eighths = Math.round((value / top) * height * 8) - row * 8;
  if (eighths <= 0) return row === 0 && value > 0 ? BLOCKS[1] : empty;
  return BLOCKS[Math.min(8, eighths)]!;
}
