/**
 * The line on which a key stands in a configuration, found by walking the text from key to key; that of the last one that
 * is literal, and undefined when none is.
 */
export function lineOf(text: string, keys: readonly PropertyKey[]): number | undefined {
  let from = 0;
  let at: number | undefined;
  for (const key of keys) {
    if (typeof key === "number") {
      const element = elementAt(text, from, key);
      if (element === undefined) break;
      at = element;
      from = element;
      continue;
    }
    const match = new RegExp(`["']?\\b${RegExp.escape(String(key))}\\b["']?\\s*:`).exec(text.slice(from));
    if (match === null) break;
    at = from + match.index;
    from = at + match[0].length;
  }
  return at === undefined ? undefined : text.slice(0, at).split("\n").length;
}

const TOKEN = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[[\]{}(),]/g;

/** Where an element of the list begins that stands at `from`; undefined when no list is written out there. */
function elementAt(text: string, from: number, index: number): number | undefined {
  const open = /^\s*\[/.exec(text.slice(from));
  if (open === null) return undefined;
  let depth = 1;
  let elements = 0;
  let begin = from + open[0].length;
  for (const { 0: token, index: offset } of text.slice(begin).matchAll(TOKEN)) {
    if (elements === index) break;
    if ("[{(".includes(token)) depth += 1;
    else if ("]})".includes(token)) depth -= 1;
    else if (token === "," && depth === 1) {
      elements += 1;
      if (elements === index) begin = from + open[0].length + offset + 1;
    }
    if (depth === 0) return undefined;
  }
  return elements === index ? begin + (/^\s*/.exec(text.slice(begin))?.[0].length ?? 0) : undefined;
}
