import type { Statement as ShellStatement } from "unbash";
import { walk } from "./shell.ts";

/** A variable with the place of its first use, by offsets. */
export interface UsedVariable {
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

/** Variables that every shell or session has. */
const GIVEN = new Set(
  (
    "HOME PATH USER LOGNAME PWD OLDPWD SHELL HOSTNAME LANG TERM TMPDIR RANDOM SECONDS LINENO BASH BASH_VERSION IFS " +
    "UID EUID PPID REPLY PIPESTATUS OPTARG OPTIND"
  ).split(" "),
);

/** Variables that a statement uses without setting them and without a default, each once. */
export function unsetVariables(statement: ShellStatement): UsedVariable[] {
  const set = new Set<string>();
  const used = new Map<string, UsedVariable>();
  const use = (name: string, at: number, end: number): void => {
    if (/^[A-Za-z_]\w*$/.test(name) && !GIVEN.has(name) && !used.has(name)) used.set(name, { name, at, end });
  };
  walk(statement, (node) => {
    switch (node.type) {
      case "Assignment":
        set.add(node.name);
        return;
      case "For":
      case "Select":
        set.add(node.name.value);
        return;
      case "Command":
        if (["read", "local", "mapfile", "readarray"].includes(node.name?.value ?? "")) {
          for (const arg of node.args) if (arg.type === "Word") set.add(arg.value);
        }
        return;
      case "SimpleExpansion":
        use(node.text.slice(1), node.pos, node.end);
        return;
      case "ParameterExpansion":
        if (node.operation?.type !== "Default") use(node.parameter, node.pos, node.end);
        return;
      default:
    }
  });
  return [...used.values()].filter((variable) => !set.has(variable.name));
}
