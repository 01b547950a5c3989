/**
 * One word for a POSIX shell, whatever the value holds: in single quotes, where only the single quote itself has a
 * meaning (POSIX.1-2024, Shell Command Language 2.2.2).
 *
 * @throws TypeError on NUL, which no argument can carry.
 */
export function shellQuote(value: string): string {
  if (value.includes("\0")) throw new TypeError("a shell word cannot hold NUL");
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** The words of a command, each quoted. */
export function shellWords(argv: readonly string[]): string {
  return argv.map((word) => shellQuote(word)).join(" ");
}

/**
 * The text of a script without its comments and indentation, since hosts get it with every script. Only for text without
 * here-documents and without words of several lines.
 */
export function bare(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .join("\n");
}

/** Assignments, one a line, in the order given. */
export function assignments(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${typeof value === "number" ? String(value) : shellQuote(value)}`)
    .join("\n");
}

/**
 * A field of the line records that are kept on hosts: they are separated by spaces, so white space, control
 * characters and the percent sign are percent-encoded; `-` stands for none.
 */
export function field(value: string | null): string {
  if (value === null || value === "") return "-";
  if (value === "-") return "%2D";
  return value.replaceAll(/[\s%\p{Cc}]/gu, (char) => encodeURIComponent(char));
}

/** The value of such a field. */
export function fromField(text: string): string | null {
  return text === "-" ? null : decodeURIComponent(text);
}
