import { COMMAND_DIAGNOSTICS } from "./catalogue-commands.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import { STRUCTURE_DIAGNOSTICS } from "./catalogue-structure.ts";

/** What compiling the plan finds once the runbook is bound to a system and a release. */
const PLAN_DIAGNOSTICS = {
  PL201: {
    severity: "error",
    title: "unknown script",
    meaning:
      "A script that the runbook calls exists neither beside the runbook, nor in the config's `scripts`, nor among " +
      "Sunny's own.",
    remedy: "Correct the path, add the file, or name its directory under `scripts` in sunny.config.ts.",
  },
  PL202: {
    severity: "warning",
    title: "edited script runs as a subprocess",
    meaning:
      "A script has the name of one of Sunny's operations but not its bytes. It runs as it is, as a subprocess: " +
      "without the operation's checks, and with disposition `manual` unless one is declared.",
    remedy: "Restore the generated launcher, or declare timeout and disposition with a comment above the code block.",
  },
  PL203: {
    severity: "error",
    title: "rule without metric source",
    meaning: "A threshold is bound to no metric query, so that nobody would notice when it is breached.",
    remedy:
      "See that every host reports the metric, give its name under `monitoring.bindings` in sunny.config.ts where it " +
      "differs, or take the threshold out of the runbook.",
  },
  PL204: {
    severity: "info",
    title: "gate without check",
    meaning: "No check is bound to a gate of the checklist. A named person attests it before the deployment starts.",
    remedy: "Bind a check under `gates` in sunny.config.ts, or have the gate attested.",
  },
  PL205: {
    severity: "error",
    title: "parameter unresolved",
    meaning: "A typed placeholder has no value when the plan is frozen.",
    remedy: "Give the value on the command line or in sunny.config.ts.",
  },
  PL206: {
    severity: "error",
    title: "wrong arguments",
    meaning: "The command calls one of Sunny's operations with arguments that it does not take.",
    remedy: "`sunny run NAME --help` lists what the operation takes.",
  },
  PL207: {
    severity: "error",
    title: "nothing to go back to",
    meaning: "The plan changes production, and no earlier release is active to which a rollback could return.",
    remedy: "Accept that for a first deployment with `--accept-no-way-back`; the plan and its approvals then say so.",
  },
  PL208: {
    severity: "info",
    title: "rollback completed by Sunny",
    meaning: "A phase changes something that the rollback section does not take back. Sunny adds the step.",
    remedy: "Mention the step in the rollback section to decide its place yourself.",
  },
  PL209: {
    severity: "warning",
    title: "step without a way back",
    meaning: "A step changes something and cannot be reverted by the plan.",
    remedy: "Put a gate or a check before it, so that a person decides, and say how it is taken back by hand.",
  },
  PL210: {
    severity: "error",
    title: "script that is not executable",
    meaning: "A script of your own lacks the permission to be executed, so its step could not start.",
    remedy: "Run `chmod +x` on it, or name its interpreter: `bash ./scripts/x.sh`.",
  },
  PL211: {
    severity: "warning",
    title: "setting that fits nothing",
    meaning:
      "A key under `gates` or `commands` is neither id nor text of a gate or a command of the runbook: it has no effect.",
    remedy: "Correct the key in sunny.config.ts, or remove it.",
  },
  PL212: {
    severity: "error",
    title: "gate check that cannot be",
    meaning: "A gate is bound to an operation that does not exist, takes other arguments, or changes something.",
    remedy: "Name an operation that only looks under `gates` in sunny.config.ts; `sunny run` lists them.",
  },
  PL213: {
    severity: "warning",
    title: "first deployment is not watched",
    meaning:
      "No release is active, so no host reports metrics yet and there is nothing to compare with. The limits hold from the next deployment on.",
    remedy: "Look at the service yourself before it gets traffic; health checks are made as always.",
  },
  PL214: {
    severity: "warning",
    title: "rollback to another release",
    meaning:
      "The rollback section names a version that is not the one that hosts serve now. It is carried out as it is " +
      "written, and does not lead back to the state before.",
    remedy: "Write `<previous-version>`, which stands for the release that was active when the plan was made.",
  },
} as const satisfies Record<string, CatalogueEntry>;

/** Every diagnostic of Sunny: the source of `docs/reference/diagnostics.md`. Codes are stable once released. */
export const DIAGNOSTICS = { ...STRUCTURE_DIAGNOSTICS, ...COMMAND_DIAGNOSTICS, ...PLAN_DIAGNOSTICS } as const;

export type DiagnosticCode = keyof typeof DIAGNOSTICS;

/** The codes in order, each with its entry. */
export function catalogueEntries(): readonly (readonly [DiagnosticCode, CatalogueEntry])[] {
  return (Object.keys(DIAGNOSTICS) as DiagnosticCode[]).toSorted().map((code) => [code, DIAGNOSTICS[code]]);
}
