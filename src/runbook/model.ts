/**
 * What a runbook says, as plain data. Every node knows where it stands: `line` and `column` count from 1, columns in
 * UTF-16 code units, as editors and SARIF do.
 */

/** Where a node stands; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What a placeholder stands for. `other` is asked for by its name. */
export type ParameterKind = "version" | "previous-version" | "environment" | "service" | "host" | "other";

/** A hole in a command that is filled, validated and quoted before anything runs. */
export interface Placeholder extends Place {
  /** As written, marks included: `<previous-version>`. */
  readonly text: string;
  /** Without marks, in lower case with hyphens: `previous-version`. */
  readonly name: string;
  readonly parameter: ParameterKind;
  /** The environment variable that stands for it in `SubprocessCommand.source`: `SUNNY_PREVIOUS_VERSION`. */
  readonly variable: string;
}

/** One line of prose: a list item, a row of a table. `text` is free of Markdown marks. */
export interface Item extends Place {
  readonly text: string;
}

/** A `- [ ]` of the checklist. */
export interface Gate extends Item {
  /** Unique in the runbook: `<group>/<gate>` as slugs. */
  readonly id: string;
  /** The box is ticked in the file itself. */
  readonly checked: boolean;
}

/** Gates below one label. */
export interface ChecklistGroup extends Place {
  readonly title: string;
  readonly gates: readonly Gate[];
}

/** Items below one label. */
export interface ItemGroup extends Place {
  readonly title: string;
  readonly items: readonly Item[];
}

/** A word of a command: text, a placeholder, or both in one word (`--version=<version>`). */
export type Arg =
  | { readonly kind: "literal"; readonly value: string }
  | { readonly kind: "placeholder"; readonly placeholder: Placeholder }
  | { readonly kind: "template"; readonly parts: readonly (string | Placeholder)[] };

/** A file that is run by its path. */
export interface ScriptCommand {
  readonly kind: "script";
  /** As written: `./scripts/migrate.js`. */
  readonly path: string;
  /** Its base name without extension: `migrate`. */
  readonly name: string;
  readonly args: readonly Arg[];
  /** Named in front of the path: `bash ./scripts/migrate.sh`. */
  readonly interpreter?: string;
}

/** A curl call whose meaning is known in full; any other curl call is a subprocess. */
export interface HttpCommand {
  readonly kind: "http";
  readonly method: string;
  readonly url: Arg;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body?: string;
  /** `--max-time`. */
  readonly timeoutMs?: number;
  /** `--retry`; default 0. */
  readonly retries: number;
  readonly followRedirects: boolean;
  /** The runbook itself asks for failure on an error status (`--fail`); Sunny fails on it in any case. */
  readonly failFlag: boolean;
}

export interface TerraformCommand {
  readonly kind: "terraform";
  /** Which of the compatible programs is named. */
  readonly program: "terraform" | "tofu";
  /** `plan`, `apply`, `init`, `destroy`, ... */
  readonly verb: string;
  /** `-chdir=DIR`, which stands before the verb. */
  readonly directory?: string;
  /** What follows the verb. */
  readonly args: readonly Arg[];
}

/** Anything else that a shell can run. */
export interface SubprocessCommand {
  readonly kind: "subprocess";
  /**
   * Shell text that is safe to hand to `bash -euo pipefail`: each placeholder has become a quoted reference to an
   * environment variable (`Placeholder.variable`), which the runner sets.
   */
  readonly source: string;
  /** The words, when it is one simple command without expansions and redirections: no shell is needed then. */
  readonly argv?: readonly Arg[];
  readonly placeholders: readonly Placeholder[];
}

export type Command = ScriptCommand | HttpCommand | TerraformCommand | SubprocessCommand;

export type StepDisposition = "idempotent" | "probe" | "manual";

/** What `<!-- sunny: timeout=5m disposition=idempotent -->` before a code block sets. */
export interface StepAnnotations {
  readonly timeoutMs?: number;
  readonly disposition?: StepDisposition;
  readonly retries?: number;
}

/** One command of the runbook. */
export interface Step extends Place {
  /** Unique in the runbook: `<phase or procedure>/<title>` as slugs. */
  readonly id: string;
  /** The comment line above the command, else derived from the command. */
  readonly title: string;
  /** The column after the first line of the command; absent in steps that stand in no file. */
  readonly endColumn?: number;
  /** The command as written, prompt and comment removed. */
  readonly text: string;
  /** `if-needed`: the operation compares states first and may record that nothing was needed. */
  readonly when: "always" | "if-needed";
  readonly command: Command;
  readonly annotations: StepAnnotations;
}

/** A numbered line of prose that a person or an operation carries out, with the commands written inside it. */
export interface Instruction extends Item {
  /** Unique in the runbook. */
  readonly id: string;
  readonly commands: readonly Step[];
}

/** Something done in order. `inOrder` interleaves `steps` and `instructions` as they stand in the file. */
export interface Procedure extends Place {
  /** Unique in the runbook: the title as a slug. */
  readonly id: string;
  readonly title: string;
  /** Every command, those inside instructions included, in the order of the file. */
  readonly steps: readonly Step[];
  /** The numbered prose. */
  readonly instructions: readonly Instruction[];
}

export interface Phase extends Procedure {
  /** As the heading counts: `### 2. Database` is 2. */
  readonly number?: number;
}

/** The ways back: one that runs by itself, one that a person starts, and whatever else the section holds. */
export interface Rollback {
  readonly immediate?: Procedure;
  readonly gradual?: Procedure;
  readonly other: readonly Procedure[];
}

export type MetricKind =
  | "response-time"
  | "error-rate"
  | "cpu"
  | "memory"
  | "cpu-memory"
  | "db-connections"
  | "queue-length"
  | "other";

/** Something to watch, without a limit. */
export interface Metric extends Item {
  readonly kind: MetricKind;
}

export type ThresholdUnit = "ms" | "%" | "count" | "bytes" | "per-second";

/** A limit, always stated as what is bad: the rule is breached when the metric is `comparison` `value`. */
export interface Threshold extends Item {
  readonly metric: MetricKind;
  readonly comparison: ">" | ">=" | "<" | "<=";
  /** In `unit`; seconds have become milliseconds, KB, MB and GB bytes. */
  readonly value: number;
  readonly unit: ThresholdUnit;
  /** 0 to 100, exclusive. Absent on a response time: the text names none, and `DEFAULT_PERCENTILE` holds. */
  readonly percentile?: number;
  /** The text speaks of a mean or a maximum instead of a percentile. */
  readonly aggregate?: "mean" | "max";
  /** How long the breach must last, when the text says so ("for 5 minutes"). */
  readonly holdMs?: number;
  /** Which of two levels, when the text tells them apart. */
  readonly level?: "warning" | "critical";
}

/** The percentile of a response time whose threshold names none. */
export const DEFAULT_PERCENTILE = 95;

export interface Contact extends Place {
  readonly role: string;
  /** The first of `addresses`. */
  readonly address: string;
  /** E-mail addresses, telephone numbers, channels and URLs, in order. */
  readonly addresses: readonly string[];
}

export type Weekday = "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday";

/** When deployments may start. */
export type MaintenanceWindow = RecurringWindow | ApprovedWindow;

export interface RecurringWindow extends Item {
  readonly kind: "recurring";
  readonly name: string;
  /** The days on which it opens. */
  readonly days: readonly Weekday[];
  /** `HH:MM`, local to `zone`. */
  readonly start: string;
  /** `HH:MM`; not after `start` means that it closes on the next day. `24:00` is allowed. */
  readonly end: string;
  /** An IANA zone (`Europe/Berlin`), `UTC` or an offset (`+02:00`). */
  readonly zone: string;
}

/** Any time, when somebody in this role approves. */
export interface ApprovedWindow extends Item {
  readonly kind: "approval";
  readonly name: string;
  readonly role: string;
}

/** An incident and what is done about it, in order; commands on their own are steps as well. */
export interface Emergency extends Place {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Instruction[];
}

export interface Runbook {
  readonly file: string;
  /** `sha256:<hex>` of the text in UTF-8. */
  readonly digest: string;
  readonly title: string;
  readonly version?: string;
  readonly lastUpdated?: string;
  readonly author?: string;
  readonly prerequisites: readonly Item[];
  readonly checklist: readonly ChecklistGroup[];
  readonly phases: readonly Phase[];
  readonly rollback: Rollback;
  readonly metrics: readonly Metric[];
  readonly thresholds: readonly Threshold[];
  readonly issues: readonly Procedure[];
  readonly emergencies: readonly Emergency[];
  readonly contacts: readonly Contact[];
  /** Who is asked, first to last. */
  readonly escalation: readonly Item[];
  readonly compliance: readonly Item[];
  readonly postDeployment: readonly ItemGroup[];
  readonly windows: readonly MaintenanceWindow[];
}

/** The steps and instructions of a procedure as they stand in the file; commands inside an instruction stay in it. */
export function inOrder(procedure: Procedure): readonly (Step | Instruction)[] {
  const inside = new Set(procedure.instructions.flatMap((instruction) => instruction.commands));
  const loose = procedure.steps.filter((step) => !inside.has(step));
  return [...loose, ...procedure.instructions].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Every procedure that deploys or takes back: phases first, then the rollback. */
export function executedProcedures(runbook: Runbook): readonly Procedure[] {
  const { immediate, gradual, other } = runbook.rollback;
  return [...runbook.phases, ...[immediate, gradual, ...other].filter((procedure) => procedure !== undefined)];
}

/** Every step of the runbook, operator and emergency procedures included, in the order of the sections. */
export function allSteps(runbook: Runbook): readonly Step[] {
  return [
    ...executedProcedures(runbook).flatMap((procedure) => procedure.steps),
    ...runbook.issues.flatMap((procedure) => procedure.steps),
    ...runbook.emergencies.flatMap((emergency) => emergency.steps.flatMap((step) => step.commands)),
  ];
}
