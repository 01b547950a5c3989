/** Reads the project's own sources for the tests of its rules. */
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "..");

/** A file of the project; `path` is relative to its root, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Comments and the contents of strings blanked out, so that a word in prose is not taken for code. */
  readonly code: string;
  readonly isTest: boolean;
}

/** Every TypeScript file that is written by hand. */
export function sourceFiles(): SourceFile[] {
  const files = globSync("{bin,src,test,tools,bench,examples,console}/**/*.ts", {
    cwd: ROOT,
    exclude: (name) => ["node_modules", "dist"].includes(path.basename(name)),
  });
  return files.toSorted().map((file) => {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    const isTest = file.endsWith(".test.ts") || !file.startsWith("src/") || /(^|\/)testing(\/|\.ts$)/.test(file);
    return { path: file.replaceAll(path.sep, "/"), text, lines: text.split("\n"), code: codeOf(text), isTest };
  });
}

const blank = (match: string): string => match.replaceAll(/[^\n]/g, " ");

/** Blanks comments, strings and regular expressions roughly: good enough to look for identifiers. */
export function codeOf(text: string): string {
  return text.replaceAll(
    /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|\$\{|[^`\\$]|\$)*`/g,
    (match) => (match.startsWith("`") ? keepExpressions(match) : blank(match)),
  );
}

/** A template without its text: what stands in `${}` is code. */
function keepExpressions(template: string): string {
  let depth = 0;
  return Array.from(template)
    .map((character, index) => {
      if (character === "{" && (depth > 0 || template[index - 1] === "$")) depth++;
      const shown = depth > 0 || character === "\n" ? character : " ";
      if (character === "}" && depth > 0) depth--;
      return shown;
    })
    .join("");
}

/** What a file imports, statically or dynamically, by the word that names it. */
export function importsOf(file: SourceFile): string[] {
  const statements = file.text.matchAll(/^(?:import|export)\b[^;"']*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"/gm);
  const calls = file.text.matchAll(/\bimport\(\s*"([^"]+)"/g);
  return [...statements, ...calls].map((match) => match[1] ?? match[2] ?? "");
}

/** What a file needs at run time: its imports without those of types only. */
export function valueImportsOf(file: SourceFile): string[] {
  const statements = file.text.matchAll(/^(?:import|export)\b([^;"']*?)\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"/gm);
  return [...statements].flatMap(([, clause = "", from, alone]) =>
    isOnlyTypes(clause.trim()) ? [] : [from ?? alone ?? ""],
  );
}

function isOnlyTypes(clause: string): boolean {
  const named = /^\{([\s\S]*)\}$/.exec(clause)?.[1];
  if (named === undefined) return clause.startsWith("type ");
  return named
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .every((name) => name.startsWith("type "));
}

/** The first circle that is found from any of the nodes, as the way round; null when there is none. */
export function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (node: string): string[] | null => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return null;
    way.push(node);
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next);
      if (circle !== null) return circle;
    }
    way.pop();
    done.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const circle = visit(node);
    if (circle !== null) return circle;
  }
  return null;
}

/** The files of the project that a file names by a relative path: imports, workers and programs it starts. */
export function referencesOf(file: SourceFile): string[] {
  const named = [...file.text.matchAll(/["'`]((?:\.{1,2}\/)*[\w./-]+\.ts)["'`]/g)].map((match) => match[1] ?? "");
  // Processes of their own are called x-main and are started with the extension of whoever starts them.
  const started = [...file.text.matchAll(/\b([\w-]+-main)\$\{/g)].map((match) => `${match[1] ?? ""}.ts`);
  const names = [...named, ...started];
  return names.flatMap((name) => {
    const beside = path.posix.normalize(path.posix.join(path.posix.dirname(file.path), name));
    return [beside, path.posix.normalize(name)].filter((candidate) => existsSync(path.join(ROOT, candidate)));
  });
}

/** The first folder below `src/`, or the file's name when it lies there itself. */
export function folderOf(file: string): string {
  const [top = "", folder = ""] = file.split("/");
  return top === "src" ? folder : top;
}

/** Lines as a list to read in a failed assertion. */
export function listing(lines: readonly string[]): string {
  return lines.map((line) => `\n  ${line}`).join("");
}
