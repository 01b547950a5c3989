import type { Arg, Command } from "./model.ts";
import { argText } from "./parameter.ts";

/** A title for a command that has no comment above it; `text` is the command as written. */
export function deriveTitle(command: Command, text: string): string {
  switch (command.kind) {
    case "script": {
      const words = [command.name, ...verbsOf(command.args)].join(" ").replaceAll(/[-_]+/g, " ").trim();
      return words === "" ? command.path : words.charAt(0).toUpperCase() + words.slice(1);
    }
    case "http":
      return `${command.method} ${argText(command.url, (placeholder) => placeholder.text).replace(/^https?:\/\//i, "")}`;
    case "terraform":
      return `${command.program} ${command.verb}`;
    case "subprocess": {
      const line = (text.split("\n")[0] ?? "").replace(/\s*\\$/, "");
      return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
    }
  }
}

/** The words that follow a script's name and say what it is to do: `scheduler.sh pause`. */
function verbsOf(args: readonly Arg[]): string[] {
  const verbs: string[] = [];
  for (const arg of args.slice(0, 2)) {
    if (arg.kind !== "literal" || !/^[a-z][a-z0-9-]*$/.test(arg.value)) break;
    verbs.push(arg.value);
  }
  return verbs;
}

/** "If needed" and its like: the step compares states first and may find nothing to do. */
export function isIfNeeded(text: string): boolean {
  return /\b(?:if|when|where|as|whenever)\s+(?:it\s+is\s+|this\s+is\s+)?(?:needed|necessary|required|applicable)\b/i.test(
    text,
  );
}

/** The text begins the second of several alternatives. */
export function isChoice(text: string): boolean {
  return /^\W*(?:or|alternatively|otherwise|either|alternative)\b(?!\w)/i.test(text) || isSecondOption(text);
}

/** "Option B", "Alternative 2": a heading or a comment that names one of several alternatives. */
export function isSecondOption(text: string): boolean {
  return /^\W*(?:option|alternative|variant|method|choice)\s+(?:[b-z]|[2-9])\b/i.test(text);
}

/** The text makes what follows depend on something that nobody checks: "Only when the schema changed", "Optional:". */
export function isConditional(text: string): boolean {
  return /^\W*(?:only\s+(?:if|when|for|needed|necessary|required)|optional(?:ly)?|skip\s+(?:this|it|if|when|unless)|unless|if)\b/i.test(
    text,
  );
}
