import type { Answer } from "./client.ts";
import type { Ask } from "./traffic.ts";

/** What a request is on the wire. */
export function wireOf(ask: Ask): { method: "GET" | "POST"; path: string; key?: string; body?: object } {
  if (ask.kind === "read") return { method: "GET", path: `/payments/${ask.payment.id}` };
  const { key, amount } = ask;
  if (ask.kind === "refund")
    return { method: "POST", path: `/payments/${ask.payment.id}/refunds`, key, body: { amount } };
  return { method: "POST", path: "/payments", key, body: { amount, currency: ask.currency, card_token: "tok_visa" } };
}

/** Why an answer is not what was asked for; undefined when it is. */
export function judge(ask: Ask, answer: Answer | Error): string | undefined {
  if (answer instanceof Error || answer.status !== (ask.kind === "read" ? 200 : 201)) return reason(answer);
  const { body } = answer;
  if (body?.["amount"] !== (ask.kind === "read" ? ask.payment.amount : ask.amount)) return "wrong amount";
  if (typeof body["id"] !== "string") return "no id";
  return ask.kind === "read" && body["id"] !== ask.payment.id ? "wrong payment" : undefined;
}

/** A failure in a word: the status of the answer, or the code of the error. */
export function reason(answer: Answer | Error): string {
  if (!(answer instanceof Error)) return String(answer.status);
  if (answer.name === "AbortError" || answer.name === "TimeoutError") return "TIMEOUT";
  return (answer as NodeJS.ErrnoException).code ?? answer.message;
}
