import type { CatalogueEntry } from "./catalogue-entry.ts";

/** RB1xx sections and annotations, RB3xx thresholds, RB4xx windows, RB5xx people. */
export const STRUCTURE_DIAGNOSTICS = {
  RB101: {
    severity: "error",
    title: "unclosed code block",
    meaning: "A fence is opened and never closed, so the rest of the file, headings included, would be code.",
    remedy: "Close the block with a line of the same marks.",
  },
  RB102: {
    severity: "warning",
    title: "duplicate heading",
    meaning:
      "Two headings on the same level have the same text. Both are read, in the order of the file; their steps get " +
      "ids that differ by a number.",
    remedy: "Give each heading a text of its own.",
  },
  RB103: {
    severity: "info",
    title: "section not recognised",
    meaning: "A heading is not among the known ones. The section is for people and takes part in nothing.",
    remedy: "Reword the heading, or say what it is with a comment below it, such as `<!-- sunny: rollback -->`.",
  },
  RB104: {
    severity: "warning",
    title: "commands that are not executed",
    meaning: "A section that Sunny does not execute holds commands: it is unknown, or it is a list of requirements.",
    remedy:
      "Move the commands to the deployment or the rollback, or mark the section with `<!-- sunny: phase -->`, or " +
      "with `<!-- sunny: ignore -->` when they are only to be read.",
  },
  RB105: {
    severity: "error",
    title: "nothing to deploy",
    meaning: "No section describes the deployment, or the one that does holds no command.",
    remedy:
      "Put the commands into code blocks below a heading such as `## Deployment`, or mark the section with " +
      "`<!-- sunny: deployment -->`.",
  },
  RB106: {
    severity: "warning",
    title: "phase without commands",
    meaning: "A phase of the deployment, or a part of the rollback, holds no command: nothing would happen there.",
    remedy:
      "Add its commands in a code block, make what a person does an entry of the checklist, or mark the heading with " +
      "`<!-- sunny: ignore -->`.",
  },
  RB107: {
    severity: "warning",
    title: "no rollback section",
    meaning: "The runbook does not say how to go back. What was applied is then taken back in reverse order.",
    remedy: "Add a section `## Rollback` with the commands that take a release back.",
  },
  RB108: {
    severity: "warning",
    title: "no maintenance window",
    meaning: "The runbook does not say when deployments may run, so they may run at any time.",
    remedy: "Add a section `## Maintenance window` with a line such as `- Primary: Sunday 01:00-03:00 UTC`.",
  },
  RB109: {
    severity: "error",
    title: "annotation not understood",
    meaning:
      "A `<!-- sunny: ... -->` comment says something that Sunny does not know, or stands where it has no effect.",
    remedy: "Use one of the words and settings listed in docs/reference/runbook.md.",
  },
  RB110: {
    severity: "info",
    title: "commands before the deployment",
    meaning: "A checklist holds commands. They run as a phase of their own, where the checklist stands in the file.",
    remedy: "Nothing, when that is what is meant; otherwise mark the code block with `<!-- sunny: ignore -->`.",
  },
  RB111: {
    severity: "info",
    title: "no version",
    meaning: "The runbook names no version of its own; deployments are recorded with its digest alone.",
    remedy: "Add a line `- **Version:** 1.0.0` to a section `## Version control`.",
  },
  RB112: {
    severity: "warning",
    title: "instruction without command",
    meaning:
      "A numbered instruction of the deployment or the rollback has no command. Sunny does nothing about it and does " +
      "not wait for it.",
    remedy:
      "Write the command in a code block below the instruction, or make it an entry of the checklist, which somebody " +
      "has to attest.",
  },
  RB113: {
    severity: "warning",
    title: "phase numbers out of order",
    meaning: "Phases run in the order of the file, but their numbers repeat, go back or leave a gap.",
    remedy: "Number the phases in the order in which they are to run.",
  },
  RB114: {
    severity: "warning",
    title: "no alert thresholds",
    meaning: "The runbook states no limit, so nothing but failed steps would lead to a rollback.",
    remedy: "Add a list `Alert thresholds` with lines such as `- p95 response time > 500 ms`.",
  },
  RB115: {
    severity: "info",
    title: "code block is not shell",
    meaning: "A code block in an executed section names another language, such as `json`. It is not executed.",
    remedy: "Name the language `bash` when the block holds commands.",
  },
  RB116: {
    severity: "warning",
    title: "code block reads like text",
    meaning: "A code block without language in an executed section reads like a message. It is not executed.",
    remedy: "Name the language: `bash` for commands, `text` for a message.",
  },
  RB117: {
    severity: "info",
    title: "code block without language",
    meaning: "A code block in an executed section names no language. It is read as shell commands.",
    remedy: "Name the language `bash`, so that editors and readers know it as well.",
  },
  RB118: {
    severity: "warning",
    title: "nested too deeply",
    meaning: "Lists or quotes are nested more than 64 levels deep. What is below is not read.",
    remedy: "Flatten the list.",
  },
  RB119: {
    severity: "warning",
    title: "rollback procedure that does not run by itself",
    meaning:
      "Beside the immediate and the gradual rollback there is a further procedure. Nothing starts it; a person may.",
    remedy: "Move its commands into the immediate rollback, or take it to `Common issues`.",
  },
  RB120: {
    severity: "warning",
    title: "boxes that nobody is asked about",
    meaning: "A section that Sunny does not know holds `- [ ]` entries. They hold nothing up, and nobody attests them.",
    remedy: "Mark the section with `<!-- sunny: checklist -->`, or move the entries to the checklist.",
  },
  RB121: {
    severity: "warning",
    title: "limits or times that count for nothing",
    meaning:
      "Lines that read like thresholds or maintenance windows stand below a heading that Sunny does not know, or a " +
      "sentence of the deployment or the rollback states a limit. Nothing is watched or held back because of them.",
    remedy: "Reword the heading, or say what it is with `<!-- sunny: thresholds -->` or `<!-- sunny: windows -->`.",
  },
  RB122: {
    severity: "warning",
    title: "most headings not recognised",
    meaning:
      "Most of what the runbook holds stands below headings that Sunny does not know, as in a runbook in another language " +
      "than English. Nothing of it is carried out, asked or watched.",
    remedy: "Reword the headings, or say below each what it is with a comment such as `<!-- sunny: rollback -->`.",
  },
  RB123: {
    severity: "warning",
    title: "condition that nobody checks",
    meaning:
      "Text above commands of the deployment or the rollback makes them depend on something (`Only when the schema " +
      "changed`, `Optional:`). Sunny runs them each time.",
    remedy:
      "Let a script of your own decide, write `# If needed` above a command that finds out by itself, or take the commands " +
      "to `Common issues`, where a person starts them.",
  },
  RB124: {
    severity: "warning",
    title: "sentences where a list is read",
    meaning:
      "A section of prerequisites, checks, contacts, escalation levels, policies or things to do afterwards holds sentences " +
      "only. Of such sections lists, tables and boxes are read.",
    remedy: "Write each as an item of a list.",
  },
  RB301: {
    severity: "error",
    title: "threshold without unit",
    meaning: "A limit has no unit. 500 could be milliseconds or seconds, 1 a percentage or a share.",
    remedy: "Write the unit: `ms`, `s`, `%`, or what is counted.",
  },
  RB302: {
    severity: "warning",
    title: "response time without percentile",
    meaning: "A limit on response times does not say which of them. Sunny takes the 95th percentile.",
    remedy: "Name the percentile: `p95 response time > 500 ms`.",
  },
  RB303: {
    severity: "error",
    title: "threshold contradicts its list",
    meaning:
      "A list of targets says what is good, a list of alerts what is bad. The comparison says the opposite of what " +
      "the list means, so the limit could be read either way.",
    remedy: "Turn the comparison around, or move the line to the other list.",
  },
  RB304: {
    severity: "warning",
    title: "two limits for one metric",
    meaning: "The same metric has two limits that hold at the same time. The stricter one decides.",
    remedy: "Keep one of them, or tell them apart as warning and critical.",
  },
  RB305: {
    severity: "warning",
    title: "threshold not understood",
    meaning:
      "A line or a sentence among the thresholds states a limit in words that Sunny cannot read, or that may mean more than " +
      "one thing. It is not watched.",
    remedy: "Write metric, comparison, value and unit, as in `Error rate > 1 %`.",
  },
  RB306: {
    severity: "error",
    title: "threshold out of range",
    meaning: "The limit can never be reached or is always reached: a share above 100 %, or a percentile outside 0-100.",
    remedy: "Correct the number or its unit.",
  },
  RB401: {
    severity: "error",
    title: "window without time zone",
    meaning: "A maintenance window names no zone; the machine's own would be a guess.",
    remedy: "Add the zone: `UTC`, an offset such as `+02:00`, or a name such as `Europe/Berlin`.",
  },
  RB402: {
    severity: "error",
    title: "window not understood",
    meaning: "A line among the maintenance windows names a time that Sunny cannot read. It may be a restriction.",
    remedy: "Write name, days, times and zone, as in `Primary: Sunday 01:00-03:00 UTC`.",
  },
  RB403: {
    severity: "error",
    title: "unknown time zone",
    meaning:
      "The zone is neither UTC, nor an offset, nor a name of the IANA time zone database. `CET`, `EST` and the " +
      "like are refused as well, since they leave open whether daylight saving time is meant.",
    remedy: "Use a name such as `Europe/Berlin`.",
  },
  RB404: {
    severity: "error",
    title: "impossible time",
    meaning: "A window has a time that no clock shows, or begins and ends at the same time.",
    remedy: "Write times as `HH:MM`, from 00:00 to 24:00.",
  },
  RB405: {
    severity: "info",
    title: "note among the windows",
    meaning: "A line among the maintenance windows names no time. It is not a window.",
    remedy: "Move the note elsewhere, or add days, times and zone.",
  },
  RB501: {
    severity: "warning",
    title: "contact without address",
    meaning: "A contact has a role but no address, so nobody can be told.",
    remedy: "Add an e-mail address, a telephone number, a channel or a URL.",
  },
} as const satisfies Record<string, CatalogueEntry>;
