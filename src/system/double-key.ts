/** A key that an object of a JSON text has more than once. */
export interface DoubleKey {
  /** From the top, list places as numbers. */
  readonly path: readonly (string | number)[];
  /** Lines of its first two occurrences, from 1. */
  readonly line: number;
  readonly before: number;
}

const TOKEN = /"(?:\\.|[^"\\])*"|[[\]{},:]|\n/g;

/** What is open at a place of the text: an object with its keys and their lines, or a list. */
interface Open {
  readonly keys: Map<string, number> | undefined;
  /** The key or the place that what comes next belongs to. */
  at: string | number;
  /** Of an object: the next text is a key. */
  expectsKey: boolean;
}

/** The first key that stands twice in one object of valid JSON; of two `JSON.parse` keeps the last and says nothing. */
export function doubleKeyOf(text: string): DoubleKey | null {
  const open: Open[] = [];
  let line = 1;
  for (const [token] of text.matchAll(TOKEN)) {
    const current = open.at(-1);
    if (token === "\n") line += 1;
    else if (token === "{") open.push({ keys: new Map(), at: "", expectsKey: true });
    else if (token === "[") open.push({ keys: undefined, at: 0, expectsKey: false });
    else if (token === "}" || token === "]") open.pop();
    else if (current === undefined) continue;
    else if (token === ",") next(current);
    else if (token === ":") current.expectsKey = false;
    else if (current.keys !== undefined && current.expectsKey) {
      // Two ways to write one key, such as "\u0061" and "a", are one key.
      current.at = JSON.parse(token) as string;
      const before = current.keys.get(current.at);
      if (before !== undefined) return { path: open.map(({ at }) => at), line, before };
      current.keys.set(current.at, line);
    }
  }
  return null;
}

function next(current: Open): void {
  if (current.keys !== undefined) current.expectsKey = true;
  else if (typeof current.at === "number") current.at += 1;
}
