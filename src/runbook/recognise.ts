import { hasCode, hasTasks } from "./outline.ts";
import type { Section } from "./outline.ts";
import type { SectionKind } from "./vocabulary.ts";

/** A section with what it is used for; undefined: nothing that Sunny knows. */
export interface Recognised {
  readonly kind: SectionKind | undefined;
  readonly section: Section;
}

/** What leaves its parent wherever it stands. */
const EVERYWHERE: readonly SectionKind[] = ["contacts", "escalation", "windows", "version", "ignore"];

const WAYS_BACK: readonly SectionKind[] = ["rollback", "immediate-rollback", "gradual-rollback"];
const RULES: readonly SectionKind[] = ["metrics", "thresholds", "targets", "limits"];
const TROUBLE: readonly SectionKind[] = ["issues", "emergencies"];

/** Which sub-sections stand for themselves instead of being a part of the section that they are in. */
const LEAVES: Readonly<Partial<Record<SectionKind, readonly SectionKind[]>>> = {
  deployment: [...EVERYWHERE, ...WAYS_BACK, ...RULES, ...TROUBLE, "compliance", "prerequisites"],
  phase: [...EVERYWHERE, ...WAYS_BACK, ...RULES, ...TROUBLE, "compliance"],
  rollback: [...EVERYWHERE, ...RULES, ...TROUBLE, "compliance", "prerequisites"],
  checklist: [...EVERYWHERE, ...WAYS_BACK, ...TROUBLE, "prerequisites"],
  "post-deployment": [...EVERYWHERE, ...WAYS_BACK, ...RULES, ...TROUBLE],
  monitoring: [...EVERYWHERE, ...WAYS_BACK, ...TROUBLE],
  issues: ["contacts", "escalation", "ignore"],
  emergencies: ["contacts", "escalation", "ignore"],
};

/** What leaves a deployment only when it holds no command; with commands it is one of its phases. */
const QUIET: readonly SectionKind[] = ["checklist", "monitoring", "post-deployment", "overview"];

/** The sections that are used for something, in the order of the file; a part of another section is not among them. */
export function recogniseSections(root: Section): Recognised[] {
  const found: Recognised[] = [];
  for (const child of root.children) collect(child, found);
  const first = found.findIndex(({ kind }) => kind === "deployment" || kind === "phase");
  return found.map((one, at) => (at < first && isEarlySignOff(one) ? { ...one, kind: "checklist" } : one));
}

/** A sign-off or a verification with boxes is a gate when it stands before the deployment, and closes it when it follows. */
function isEarlySignOff({ kind, section }: Recognised): boolean {
  if (kind !== "post-deployment" || section.annotated || !hasTasks(section)) return false;
  return !/\b(?:post|after|afterwards|wrap|closing|follow)\b/i.test(section.title);
}

function collect(section: Section, found: Recognised[]): void {
  const kind = section.kind ?? (section.isStep && hasCode(section) ? "phase" : undefined);
  if (kind === "ignore") return;
  if (kind === undefined || kind === "overview") {
    found.push({ kind, section: { ...section, children: [] } });
    for (const child of section.children) collect(child, found);
    return;
  }
  const leaving: Section[] = [];
  const slot = found.push({ kind, section }) - 1;
  found[slot] = { kind, section: { ...section, children: keep(kind, section.children, leaving) } };
  for (const child of leaving) collect(child, found);
}

/** The sub-sections that stay a part of `kind`, at any depth; the others are handed over in `leaving`. */
function keep(kind: SectionKind, children: readonly Section[], leaving: Section[]): Section[] {
  const kept: Section[] = [];
  for (const child of children) {
    if (leaves(kind, child)) leaving.push(child);
    else kept.push({ ...child, children: keep(kind, child.children, leaving) });
  }
  return kept;
}

function leaves(parent: SectionKind, child: Section): boolean {
  const kind = child.kind;
  if (kind === undefined || kind === parent) return false;
  if (child.annotated) return !(parent === "deployment" && kind === "phase");
  if (parent === "checklist" && hasTasks(child)) return false;
  if (parent === "deployment" && QUIET.includes(kind)) return !hasCode(child);
  return (LEAVES[parent] ?? EVERYWHERE).includes(kind);
}
