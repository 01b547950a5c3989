import type { SyntaxNode, Word } from "unbash";
import { walk } from "./shell.ts";

/** How a shell reads a place in its text. `unsafe`: a value cannot be put there so that it stays one word. */
export type Quoting = "none" | "single" | "double" | "document" | "unsafe";

const NESTING: ReadonlySet<SyntaxNode["type"]> = new Set<SyntaxNode["type"]>([
  "CommandExpansion",
  "ProcessSubstitution",
  "ParameterExpansion",
  "ArithmeticExpansion",
]);

/** How the shell reads the text at `offset`, which lies inside of `node`. */
export function quotingAt(node: SyntaxNode, offset: number): Quoting {
  let found: Quoting = "unsafe";
  let nested = false;
  walk(node, (inner) => {
    // A here-document's body lies outside of the node that owns it.
    if (inner.type === "HereDoc" && inner.body.pos <= offset && offset < inner.body.end) {
      found = inner.delimiter?.quoted === false ? "document" : "unsafe";
    }
    if (inner.pos > offset || offset >= inner.end) return;
    if (NESTING.has(inner.type)) nested = true;
    if (inner.type === "Word") found = quotingInWord(inner, offset);
  });
  return nested ? "unsafe" : found;
}

function quotingInWord(word: Word, offset: number): Quoting {
  if (word.parts === undefined) return "none";
  const part = word.parts.find((one) => one.pos <= offset && offset < one.end);
  if (part === undefined || part.type === "Literal") return "none";
  if (part.type === "SingleQuoted") return "single";
  if (part.type !== "DoubleQuoted") return "unsafe";
  const child = part.parts.find((one) => one.pos <= offset && offset < one.end);
  return child === undefined || child.type === "Literal" ? "double" : "unsafe";
}

/** Shell text that stands for the value of an environment variable, one word in whatever quotes it is put. */
export function reference(variable: string, quoting: Exclude<Quoting, "unsafe">): string {
  switch (quoting) {
    case "none":
      return `"\${${variable}}"`;
    case "single":
      return `'"\${${variable}}"'`;
    case "double":
    case "document":
      return `\${${variable}}`;
  }
}
