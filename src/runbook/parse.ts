import { sha256 } from "../json.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { readChecklist, readItemGroups, readItems, readRequirements } from "./groups.ts";
import { readMarkdown } from "./markdown.ts";
import type { Runbook } from "./model.ts";
import { readEmergencies, readIssues } from "./operator.ts";
import { createOutline, hasTasks } from "./outline.ts";
import type { Section } from "./outline.ts";
import { readPeople } from "./people.ts";
import { readPhases } from "./phases.ts";
import { createReading, finishDiagnostics, report } from "./reading.ts";
import { recogniseSections } from "./recognise.ts";
import type { Recognised } from "./recognise.ts";
import { readRollback } from "./rollback.ts";
import { readRules } from "./rules.ts";
import { createSource } from "./source.ts";
import { reportBlocks, reportDoubleHeadings, reportGaps, reportSections } from "./structure-report.ts";
import { reportUnknownLanguage } from "./unknown-sections.ts";
import { readVersion } from "./version.ts";
import type { SectionKind } from "./vocabulary.ts";
import { readWindows } from "./windows.ts";

export interface ParsedRunbook {
  readonly runbook: Runbook;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads a runbook. Any text has a reading: what is missing is empty, and what is wrong is a diagnostic with its place
 * and its remedy. Pure, and linear in the length of the text. `file` is only a name for places.
 */
export function parseRunbook(text: string, file: string): ParsedRunbook {
  const source = createSource(text, file);
  const reading = createReading(source);
  const { blocks, tooDeepAt } = readMarkdown(source.markdown);
  if (tooDeepAt !== undefined) {
    report(reading, "RB118", { at: tooDeepAt, end: tooDeepAt + 1 }, "What is nested here is not read.");
  }
  reportBlocks(reading, blocks);
  const { title, root } = createOutline(blocks);
  reportDoubleHeadings(reading, root);
  const sections = recogniseSections(root);
  reportSections(reading, sections);
  reportUnknownLanguage(reading, root);
  const of = (kind: SectionKind): Section[] => sections.flatMap((one) => (one.kind === kind ? [one.section] : []));
  const phases = readPhases(reading, withRoot(root, sections));
  const rollback = readRollback(reading, sections);
  const runbook: Runbook = {
    file,
    digest: `sha256:${sha256(text)}`,
    title: title ?? source.frontMatter.find((entry) => entry.key === "title")?.value ?? file,
    ...readVersion(source, root, of("version")),
    prerequisites: readRequirements(reading, of("prerequisites")),
    checklist: readChecklist(reading, sections.flatMap(withGates)),
    phases,
    rollback,
    ...readRules(reading, sections),
    issues: readIssues(reading, of("issues")),
    emergencies: readEmergencies(reading, of("emergencies")),
    ...readPeople(reading, sections),
    compliance: readItems(reading, of("compliance")),
    postDeployment: readItemGroups(reading, of("post-deployment")),
    windows: readWindows(reading, of("windows")),
  };
  reportGaps(reading, runbook, sections);
  return { runbook, diagnostics: finishDiagnostics(reading) };
}

/** The checklist, and every `- [ ]` among the prerequisites: somebody wants to be asked about a box. */
function withGates({ kind, section }: Recognised): Section[] {
  return kind === "checklist" || (kind === "prerequisites" && hasTasks(section)) ? [section] : [];
}

/** The file itself is the deployment when an annotation below its title says so. */
function withRoot(root: Section, sections: readonly Recognised[]): readonly Recognised[] {
  if (root.kind !== "deployment") return sections;
  return [{ kind: "deployment", section: { ...root, title: "Deployment", children: [] } }, ...sections];
}
