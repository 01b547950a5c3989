import type { Contact, Item } from "../runbook/model.ts";
import type { Recipient, Severity } from "./notice.ts";
import { atLeast } from "./severity.ts";

/** What a notice is about; decides which of the runbook's contacts it concerns. */
export type Topic = "deployment" | "database" | "security";

/** Contacts and escalation path of a runbook. */
export interface People {
  readonly contacts: readonly Contact[];
  readonly escalation: readonly Item[];
}

const TOPIC_WORDS: Readonly<Record<Exclude<Topic, "deployment">, RegExp>> = {
  database: /\b(database|dba|data|db)\b/i,
  security: /\b(security|infosec|ciso|soc)\b/i,
};

/**
 * Whom a notice goes to: the contacts whose role speaks of the topic (for `deployment` those who speak of no other
 * topic), all contacts when there is none; with `critical` also the first level of the escalation path.
 */
export function recipientsOf(topic: Topic, severity: Severity, people: People): Recipient[] {
  const matching = people.contacts.filter((contact) => topicOf(contact.role) === topic);
  const told = (matching.length > 0 ? matching : people.contacts).map(({ role, addresses }) => ({ role, addresses }));
  const first = atLeast(severity, "critical") ? escalationLevels(people)[0] : undefined;
  if (first === undefined || told.some((recipient) => sameRole(recipient.role, first.role))) return told;
  return [...told, first];
}

/** The levels of the escalation path in order, each with the addresses of the contact of the same role. */
export function escalationLevels(people: People): Recipient[] {
  return people.escalation.map(({ text }) => ({
    role: text,
    addresses: people.contacts.find((contact) => sameRole(contact.role, text))?.addresses ?? [],
  }));
}

function topicOf(role: string): Topic {
  if (TOPIC_WORDS.security.test(role)) return "security";
  return TOPIC_WORDS.database.test(role) ? "database" : "deployment";
}

function sameRole(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.trim().toLowerCase();
}
