import process from "node:process";
import type { Judgement } from "../analysis/verdict.ts";
import type { Clock } from "../clock.ts";
import type { Notice } from "../deployment/ports.ts";
import { channelsOf } from "../notify/channels.ts";
import type { Notice as Message, Notifier, Recipient, Severity } from "../notify/notice.ts";
import { createNotifier } from "../notify/notifier.ts";
import { recipientsOf } from "../notify/routing.ts";
import type { Plan } from "../plan/model.ts";
import type { System } from "../system/schema.ts";
import type { IncidentPorts } from "../operations/incident/follow-instruction.ts";

const SEVERITY: Readonly<Record<Notice["event"], Severity>> = {
  started: "info",
  waiting: "warning",
  succeeded: "info",
  refused: "info",
  "rolling-back": "critical",
  "rolled-back": "warning",
  held: "critical",
};

/** The configured channels; one that does not answer never stops a deployment. */
export function notifierOf(system: System, clock: Clock): Notifier {
  return createNotifier({ channels: channelsOf(system, clock, process.env), clock });
}

/** What every notice about one run has in common; `runId` is null when what is watched belongs to no run. */
export interface NoticeSubject {
  readonly plan: Pick<Plan, "service" | "environment" | "contacts" | "escalation">;
  readonly runId: string | null;
}

interface Content {
  /** Unique within the run. */
  readonly key: string;
  readonly event: string;
  readonly severity: Severity;
  readonly title: string;
  readonly text?: string;
  /** Default: the contacts whom it concerns. */
  readonly to?: readonly Recipient[];
}

/** Puts a notice about a run together. */
export function noticeAbout({ plan, runId }: NoticeSubject, content: Content, at: number): Message {
  const { key, event, severity, title, text = "", to } = content;
  return {
    id: `${runId ?? `${plan.service}/${plan.environment}`}/${key}`,
    at,
    severity,
    event,
    title,
    text,
    service: plan.service,
    environment: plan.environment,
    deployment: runId,
    to: to ?? recipientsOf("deployment", severity, plan),
  };
}

/** Tells people what becomes of a deployment. */
export function noticesOf(
  notifier: Notifier,
  clock: Clock,
): (plan: Plan, runId: string, notice: Notice) => Promise<void> {
  return async (plan, runId, { event, key, text, detail }) => {
    const content = {
      key: key === undefined ? event : `${event}/${key}`,
      event: `deployment.${event}`,
      severity: SEVERITY[event],
      title: text,
      text: detail === null ? "" : JSON.stringify(detail),
    };
    await notifier.notify(noticeAbout({ plan, runId }, content, clock.now()));
  };
}

/** Tells the contacts of a runbook that an incident is being handled, and by whom. */
export function incidentNotice(notifier: Notifier, clock: Clock): IncidentPorts["tell"] {
  return async ({ incident, to }, { system, actor }, runId) => {
    await notifier.notify({
      id: `${runId}/incident`,
      at: clock.now(),
      severity: "critical",
      event: "incident.started",
      title: `Emergency procedure "${incident}" of ${system.service} in ${system.environment}, begun by ${actor}`,
      text: `\`sunny status ${runId}\` shows how far it is.`,
      service: system.service,
      environment: system.environment,
      deployment: runId,
      to,
    });
  };
}

/** What people are told of: a verdict, or a hold since the release may not be to blame for what is degraded. */
type Alert = "degraded" | "hold" | "blind";

const ALERTS: Readonly<Record<Alert, { readonly severity: Severity; readonly state: string }>> = {
  degraded: { severity: "critical", state: "degraded" },
  hold: { severity: "warning", state: "degraded, and the release may not be to blame" },
  blind: { severity: "warning", state: "blind" },
};

/** Nothing has come of what is watched so far, or all is well: worth a word only after an alert. */
function alertOf({ verdict, action }: Judgement): Alert | null {
  if (verdict === "degraded") return action === "hold" ? "hold" : "degraded";
  return verdict === "blind" ? "blind" : null;
}

/**
 * Tells people when what is watched becomes degraded, is held or becomes blind, once each time, and when that is over.
 * Never waits and never throws: it is called after every interval, and the notifier gives up by itself.
 */
export function alertsOf(notifier: Notifier, subject: NoticeSubject): (judgement: Judgement) => void {
  let last: Alert | null = null;
  return (judgement) => {
    const alert = alertOf(judgement);
    if (alert === last) return;
    last = alert;
    const { verdict, by, reasons, at } = judgement;
    const rule = by === null ? "" : ` (${by})`;
    const title =
      alert === null
        ? `The service is ${verdict} again`
        : `The service is ${ALERTS[alert].state}${rule}: ${reasons[0] ?? ""}`;
    const severity = alert === null ? "info" : ALERTS[alert].severity;
    const content = { key: `rule/${at}`, event: `rule.${alert ?? verdict}`, severity, title, text: reasons.join("\n") };
    void notifier.notify(noticeAbout(subject, content, at)).catch(() => {});
  };
}
