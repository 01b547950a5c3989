import type { CatalogueEntry } from "./catalogue-entry.ts";

/** RB2xx: what is wrong with a command. */
export const COMMAND_DIAGNOSTICS = {
  RB201: {
    severity: "error",
    title: "unresolved placeholder",
    meaning:
      "A command of the deployment or the rollback holds a placeholder that Sunny cannot fill by itself. A shell " +
      "would read `<name>` as a redirection and `[name]` as a pattern.",
    remedy:
      "Write the value, or use `<version>`, `<new-version>`, `<previous-version>`, `<environment>` or `<service-name>`.",
  },
  RB202: {
    severity: "info",
    title: "parameter that is asked for",
    meaning: "A command of an operator procedure holds a placeholder that is not among the typed ones.",
    remedy: "Nothing: its value is asked for, checked and quoted when the procedure is run.",
  },
  RB203: {
    severity: "error",
    title: "placeholder that cannot be quoted",
    meaning: "A placeholder stands where its value cannot be handed over safely: in a substitution or a here-document.",
    remedy: "Give the value as a plain argument of a command or a script.",
  },
  RB204: {
    severity: "error",
    title: "ambiguous version",
    meaning: "`<version>` in a rollback can mean the release that failed or the one before it.",
    remedy: "Write `<previous-version>` or `<new-version>`.",
  },
  RB205: {
    severity: "error",
    title: "change of the shell's state",
    meaning:
      "Each command is a step with a shell of its own, so that it can be resumed alone. A `cd`, an `export` or a " +
      "variable on a line of its own would have no effect on the next step.",
    remedy: "Put it in front of the command that needs it: `cd DIR && COMMAND`, or `NAME=value COMMAND`.",
  },
  RB206: {
    severity: "error",
    title: "ssh session followed by commands",
    meaning: "`ssh` without a command opens a session; what follows would run on this machine, not on that host.",
    remedy: "Hand the command over: `ssh HOST 'COMMAND'`.",
  },
  RB207: {
    severity: "error",
    title: "command that never ends",
    meaning: "The command runs until somebody stops it, so the step would never be done.",
    remedy: "Use a command that ends, such as `kubectl logs --tail=100`, or put `timeout 60` in front of it.",
  },
  RB208: {
    severity: "error",
    title: "command that waits for a person",
    meaning: "The command is interactive: it opens an editor, a pager or a prompt. Steps have no terminal.",
    remedy: "Use the form that takes its input as an argument, or turn the line into an entry of the checklist.",
  },
  RB209: {
    severity: "warning",
    title: "long sleep",
    meaning:
      "A sleep of a minute or more starts again from its beginning after a crash, and nothing is watched in the " +
      "runbook's own terms meanwhile.",
    remedy: "Wait for a condition instead: a health check with retries, or the bake time of the rollout.",
  },
  RB210: {
    severity: "error",
    title: "step that cannot fail",
    meaning:
      "The command's exit status is thrown away (`|| true`, `; true`, `set +e`), so failure would look like success.",
    remedy: "Let the command fail, or give the error that may be ignored a name: `grep -q PATTERN FILE || COMMAND`.",
  },
  RB211: {
    severity: "error",
    title: "alternatives that would both run",
    meaning: "The text offers a choice, but every command of a procedure runs.",
    remedy: "Keep one, or move the other to a procedure of its own under `Common issues`.",
  },
  RB212: {
    severity: "error",
    title: "secret in a code block",
    meaning: "A password, key or token stands in the runbook, where everyone who reads it can use it.",
    remedy: "Revoke it, and have the command read it from a file or an environment variable.",
  },
  RB213: {
    severity: "warning",
    title: "curl without --fail",
    meaning: "curl exits 0 on an error status such as 500. Sunny makes the request itself and fails on such a status.",
    remedy: "Write `curl --fail`, so that the command means the same by hand.",
  },
  RB214: {
    severity: "error",
    title: "shell syntax error",
    meaning: "The code block is not valid shell.",
    remedy: "Correct the command, or name the block's language when it is not shell.",
  },
  RB215: {
    severity: "error",
    title: "terraform apply without plan",
    meaning: "An apply without a plan before it changes what nobody has seen.",
    remedy: "Write `terraform plan` before it: Sunny saves that plan and applies exactly it.",
  },
  RB216: {
    severity: "warning",
    title: "-auto-approve",
    meaning:
      "The flag skips the question before changes. Sunny applies the plan that was saved and approved, and nothing else.",
    remedy: "Take the flag out.",
  },
  RB217: {
    severity: "error",
    title: "command in the background",
    meaning: "With `&` at its end the command's outcome is lost, and it would outlive its step.",
    remedy: "Run it in the foreground, or have a service manager start it.",
  },
  RB218: {
    severity: "warning",
    title: "variable that nothing sets",
    meaning:
      "A command uses a variable that is not set in it. Steps see only the environment that the config hands them.",
    remedy: "Use a placeholder such as `<version>`, or list the variable for the step in sunny.config.ts.",
  },
  RB219: {
    severity: "info",
    title: "shell option that is implied",
    meaning:
      "Every step stops at the first error, on unset variables and on failures inside a pipe. The line is left out.",
    remedy: "Take the line out, or leave it for those who run the block by hand.",
  },
  RB220: {
    severity: "warning",
    title: "remote script piped into a shell",
    meaning:
      "What is run is fetched at that moment: it is not covered by the plan's digest and may be cut off in the middle.",
    remedy: "Fetch the file, check its digest, then run it; or keep it beside the runbook.",
  },
  RB221: {
    severity: "warning",
    title: "curl with certificate checks off",
    meaning: "`--insecure` accepts any server. The command runs as a subprocess, exactly as it is written.",
    remedy: "Take the flag out and name the certificate authority with `--cacert`.",
  },
  RB222: {
    severity: "warning",
    title: "nothing but a comment",
    meaning: "A code block of an executed section holds comments or output but no command.",
    remedy: "Write the command, or take the block out of the code fence.",
  },
  RB223: {
    severity: "error",
    title: "characters that cannot be seen",
    meaning:
      "A code block holds control characters, marks that change the direction of writing, spaces of no width or " +
      "spaces that do not break. What is run would not be what people read and approve.",
    remedy: "Type the line anew.",
  },
} as const satisfies Record<string, CatalogueEntry>;
