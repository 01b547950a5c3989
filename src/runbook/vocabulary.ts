/** What a section of a runbook is for. */
export type SectionKind =
  | "prerequisites"
  | "checklist"
  | "deployment"
  | "phase"
  | "post-deployment"
  | "rollback"
  | "immediate-rollback"
  | "gradual-rollback"
  | "monitoring"
  | "metrics"
  | "thresholds"
  | "targets"
  | "limits"
  | "issues"
  | "emergencies"
  | "contacts"
  | "escalation"
  | "compliance"
  | "windows"
  | "version"
  | "overview"
  | "ignore";

export interface Vocabulary {
  /** What becomes of the section. */
  readonly purpose: string;
  /** Headings that name it, in lower case, words separated by a space. */
  readonly phrases: readonly string[];
}

/** The headings that are recognised: the source of the table in docs/reference/runbook.md. */
export const VOCABULARY: Readonly<Record<SectionKind, Vocabulary>> = {
  prerequisites: {
    purpose: "checks of `sunny doctor`",
    phrases: words(
      "prerequisites, prerequisite, requirements, before you start, before you begin, before starting, what you need, " +
        "you will need, access, required access, access required, access needed, access and tools, tools, " +
        "required tools, permissions, required permissions, requirements and access, required access and tools, things you need, you need",
    ),
  },
  checklist: {
    purpose: "gates; its commands, if any, run as a phase",
    phrases: words(
      "checklist, pre deployment checklist, pre deployment, predeployment, pre deploy, predeploy, pre deploy checklist, " +
        "pre flight, preflight, preflight checklist, pre flight checklist, pre flight checks, preflight checks, " +
        "pre checks, before deploy, before deploying, before deployment, before you deploy, before we deploy, " +
        "before release, before releasing, go no go, go no go checklist, readiness, readiness checklist, " +
        "release checklist, deployment checklist, pre release, pre release checklist, preparation, gates, quality gates, " +
        "release gates, readiness gates, release readiness, ready to release, approval checklist, approvals, entry criteria, " +
        "things to check first, prerequisites checklist",
    ),
  },
  deployment: {
    purpose: "phases: its sub-sections in order, or itself when it has none",
    phrases: words(
      "deployment, deploy, deploying, deploys, deployment steps, deployment process, deployment procedure, how to deploy, " +
        "how we deploy, rollout, roll out, rolling out, release, releasing, release steps, release process, ship, " +
        "ship it, shipping, execution, implementation, implementation steps, procedure, steps, instructions, go live, " +
        "going live, upgrade, upgrading, phases, deploy new version, deploying new version, deploy new release, " +
        "deploying new release, deploy release, release new version, releasing new version, roll out new version, " +
        "step by step, step by step deployment, update, updating, implementation of change, change implementation",
    ),
  },
  phase: {
    purpose: "one phase; inside a deployment every sub-section with commands is one, whatever its heading",
    phrases: words(
      "database migration, database migrations, migration, migrations, migrate, migrate database, " +
        "run migrations, schema migration, infrastructure, infrastructure updates, infrastructure changes, " +
        "update infrastructure, application deployment, deploy application, backup, backups, database backup, " +
        "canary, cutover, cut over, switch traffic, traffic switch, build",
    ),
  },
  "post-deployment": {
    purpose: "closing checklist; its commands, if any, run as a phase",
    phrases: words(
      "post deployment, postdeployment, post deploy, post deployment checklist, post deploy checklist, " +
        "post deployment steps, post deployment tasks, post deployment verification, post deploy verification, " +
        "post deployment checks, post deploy checks, after deploy, after deploying, after deployment, after you deploy, " +
        "after release, post release, afterwards, wrap up, wrapping up, follow up, closing, closing checklist, closing tasks, aftercare, when it is live, cleanup, clean up, " +
        "verification, verify, verify deployment, deployment verification, validation, validate, smoke test, " +
        "smoke tests, smoke testing, sanity checks, health checks, sign off",
    ),
  },
  rollback: {
    purpose: "the way back: its sub-sections, or itself",
    phrases: words(
      "rollback, roll back, rolling back, rollbacks, backout, back out, backing out, backout plan, revert, reverting, undo, " +
        "undoing, fallback, fall back, fallback plan, way back, going back, how to roll back, how to go back, " +
        "if things go wrong, if it goes wrong, when things go wrong, abort, deployment rollback, rollback deployment, " +
        "rollback release, rollback strategy, rollback strategies, roll back release, rolling back release, " +
        "rolling back bad release, undo release, undo deployment, revert deployment, revert release, restore previous version, " +
        "when it goes wrong, if something goes wrong, when something goes wrong, if something breaks, if something fails, " +
        "if it fails, if deployment fails, rollback options, rollback and recovery",
    ),
  },
  "immediate-rollback": {
    purpose: "what runs when a step or a rule fails",
    phrases: words(
      "immediate rollback, immediate, instant rollback, fast rollback, quick rollback, full rollback, emergency rollback, " +
        "rollback immediate, rollback immediately, roll back immediately, critical issues, hard rollback",
    ),
  },
  "gradual-rollback": {
    purpose: "what a person starts for troubles that are not critical",
    phrases: words(
      "gradual rollback, gradual, partial rollback, phased rollback, staged rollback, progressive rollback, " +
        "controlled rollback, rolling rollback, slow rollback, rollback gradual, rollback gradually, " +
        "roll back gradually, non critical issues, soft rollback",
    ),
  },
  monitoring: {
    purpose: "metrics and thresholds, told apart by their own headings or by their form",
    phrases: words(
      "monitoring, monitor, monitoring during deployment, during deployment, during rollout, during release, " +
        "observability, observing, watching, what to watch, monitoring and alerts, monitoring and alerting, " +
        "metrics and thresholds, metrics and alerts, metrics and alarms, health monitoring",
    ),
  },
  metrics: {
    purpose: "metrics that are shown and recorded",
    phrases: words(
      "metrics, metrics to watch, key metrics, key metrics to watch, signals, golden signals, indicators, " +
        "key indicators, kpis, key performance indicators, things to watch, watch list, dashboards and metrics, " +
        "health metrics, vital signs, metrics that matter",
    ),
  },
  thresholds: {
    purpose: "rules; a line says what is bad",
    phrases: words(
      "alert thresholds, thresholds, alerts and thresholds, thresholds and alerts, alerts, alarms, alerting, alert rules, alert conditions, alarm thresholds, " +
        "alert limits, rollback criteria, rollback triggers, rollback thresholds, rollback conditions, abort criteria, " +
        "abort conditions, stop criteria, when to roll back, when to rollback, when to abort, red lines, " +
        "red flags, tripwires, trip wires, roll back if, roll back when, abort if, abort when, stop if, trigger levels, " +
        "thresholds for rollback, threshold values, critical thresholds, when to pull plug",
    ),
  },
  targets: {
    purpose: "rules; a line says what is good",
    phrases: words(
      "targets, target, slos, slo, slas, sla, slis, service levels, service level objectives, objectives, " +
        "success criteria, acceptance criteria, performance targets, targets and objectives, goals",
    ),
  },
  limits: {
    purpose: "rules; each line says by itself whether it is good or bad",
    phrases: words(
      "limits, slos alarms, slos and alarms, slos alerts, slos and alerts, slos and thresholds, slo alerts, " +
        "targets and alerts, targets and thresholds",
    ),
  },
  issues: {
    purpose: 'operator procedures: `sunny run "high memory usage"`',
    phrases: words(
      "common issues, common issues and solutions, issues, known issues, known problems, common problems, problems, " +
        "problems and solutions, issues and fixes, issues and solutions, problems and fixes, troubleshooting, " +
        "trouble shooting, trouble, fixes, common fixes, common failures, known failures, failure modes, " +
        "operator procedures, operations, day to day operations, playbooks, how to fix, " +
        "what can go wrong, daily operations, routine procedures, maintenance procedures, operating procedures, " +
        "standard operating procedures, when something is off",
    ),
  },
  emergencies: {
    purpose: 'incidents: `sunny emergency "data loss"`',
    phrases: words(
      "emergency procedures, emergencies, emergency, in an emergency, emergency response, incident response, incidents, " +
        "incident, incident handling, incident procedures, incident management, incident playbooks, " +
        "disaster recovery, disasters, break glass, crisis, major emergencies, worst case, worst cases",
    ),
  },
  contacts: {
    purpose: "who is told",
    phrases: words(
      "contact information, contacts, contact, contact list, primary contacts, key contacts, emergency contacts, " +
        "contact details, who to call, who to contact, who to ask, people, on call, oncall, on call contacts, " +
        "on call team, team, owners, ownership, support contacts, contacts and escalation, people to call, support, getting help, help, who to page, " +
        "phone list, phone numbers, team contacts, who is who, responsible people, people responsible",
    ),
  },
  escalation: {
    purpose: "who is asked next when nobody answers",
    phrases: words(
      "escalation path, escalation, escalations, escalation matrix, escalation chain, escalation policy, " +
        "escalation order, escalation levels, escalate, escalating, chain of escalation, " +
        "chain of command, escalation ladder, levels of escalation, who to escalate to",
    ),
  },
  compliance: {
    purpose: "policies that are recorded with the deployment",
    phrases: words(
      "compliance requirements, compliance, audit, audit requirements, audit trail, compliance and audit, " +
        "audit and compliance, regulatory requirements, regulation, regulatory, governance, policy, policies, " +
        "change policy, security requirements, security and compliance, compliance and security, compliance notes, " +
        "compliance checks, compliance checklist, pci, pci dss, pci compliance, regulatory compliance",
    ),
  },
  windows: {
    purpose: "gates on the clock",
    phrases: words(
      "maintenance window, maintenance windows, maintenance schedule, change window, change windows, deployment window, deployment windows, " +
        "deploy window, deploy windows, release window, release windows, window, windows, when to deploy, " +
        "when we deploy, deploy times, deployment times, deployment schedule, release schedule, schedule, " +
        "allowed times, timing",
    ),
  },
  version: {
    purpose: "version, date and author, recorded with the deployment",
    phrases: words(
      "version control, version, version information, versioning, document control, document version, document history, " +
        "document information, about this document, about this runbook, runbook version, revision, revisions, " +
        "revision history, metadata, document metadata",
    ),
  },
  overview: {
    purpose: "for people; takes part in nothing",
    phrases: words(
      "overview, introduction, intro, purpose, scope, about, summary, background, context, contents, " +
        "table of contents, toc, architecture, glossary, terms, definitions, references, links, further reading, " +
        "see also, notes, note, appendix, changelog, change log, changes, audience, license",
    ),
  },
  ignore: { purpose: "not read; only by annotation", phrases: [] },
};

/** Words that carry no meaning of their own in a heading. */
export const FILLERS: ReadonlySet<string> = new Set(
  (
    "the a an our your this that these of for to and or in on with all it its procedure procedures process processes step " +
    "steps plan plans section guide information info details instruction instructions list production prod key primary " +
    "main general standard service application app system runbook"
  ).split(" "),
);

/** Words without meaning of their own once synonyms are looked at; "new" decides nothing there, but may be a word of a phrase. */
export const MEANT_AS_FILLERS: ReadonlySet<string> = new Set(
  (
    "how we you us i is are be it do doing run running perform performing execute executing execution carry out sequence workflow " +
    "flow phase phases new latest version main automatic automated manual youll will"
  ).split(" "),
);

function words(list: string): string[] {
  return list.split(",").map((phrase) => phrase.trim());
}
