import type { Progress } from "../deployment/ports.ts";
import type { Journal } from "../engine/journal.ts";
import type { Question } from "../engine/rows.ts";
import type { Waiting } from "./escalation-host.ts";

/** What a run waits for a person with, by the journal; null while it goes on by itself, is paused or has ended. */
export function waitingOf(read: Journal["read"], runId: string): Waiting | null {
  const run = read.run(runId);
  if (run === undefined || run.endedAt !== null || run.state === "paused") return null;
  if (run.state === "held" && run.question !== null) return ofQuestion(runId, run.question);
  const progress = (read.status(runId)?.value ?? null) as unknown as Progress | null;
  if (progress?.stage !== "permission" || progress.waitingFor.length === 0) return null;
  return { question: "permission", text: progress.waitingFor.join("\n"), severity: "warning", isTold: true };
}

function ofQuestion(runId: string, asked: Question): Waiting {
  if (asked.ask === "resolve") {
    const { step, intended, known, choices } = asked;
    const command = `sunny resolve ${runId} --step ${step} --as ${choices.join("|")} --reason TEXT`;
    return {
      question: `resolve/${step}`,
      text: `${step}: it is not known whether this happened: ${intended}. Known: ${known}\n${command}`,
      severity: "critical",
      // The engine asks this itself, so nobody has been told.
      isTold: false,
    };
  }
  const { what, choices } = (asked.question ?? {}) as { what?: string; choices?: readonly string[] };
  const command = `sunny resolve ${runId} --as ${choices?.join("|") ?? "CHOICE"} --reason TEXT`;
  return {
    question: asked.signal,
    text: `${what ?? JSON.stringify(asked.question)}\n${command}`,
    severity: "critical",
    isTold: true,
  };
}
