import { createHmac } from "node:crypto";
import { type Clock, rfc3339 } from "../clock.ts";
import { RetryableError } from "../engine/context.ts";
import { messageOf } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { noticeLine } from "./channel-file.ts";
import type { Channel, Severity } from "./notice.ts";

export interface WebhookOptions {
  readonly url: string;
  /** Key of the signature; without one the requests are not signed. */
  readonly secret?: Secret;
  /** Lowest severity; default `info`. */
  readonly from?: Severity;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
}

/** Worth another attempt: the receiver was not there, busy, or had a fault of its own. */
const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Posts each notice as JSON. With a secret, `x-sunny-signature` is `sha256=` and the HMAC-SHA-256 in hex of
 * `<x-sunny-timestamp>.<body>`; `idempotency-key` is the notice's id, so a receiver can drop repeats. Redirects are
 * refused, since they would take the body elsewhere. Neither path nor query of the URL is ever shown: they often hold a
 * token.
 */
export function webhookChannel(options: WebhookOptions): Channel {
  const name = `webhook ${new URL(options.url).host}`;
  return {
    name,
    from: options.from ?? "info",
    async send(notice, signal) {
      const body = noticeLine(notice);
      const timestamp = rfc3339(options.clock.now());
      const headers: Record<string, string> = {
        "content-type": "application/json",
        "idempotency-key": notice.id,
        "x-sunny-timestamp": timestamp,
      };
      if (options.secret !== undefined)
        headers["x-sunny-signature"] = webhookSignature(options.secret, timestamp, body);
      const init: RequestInit = { method: "POST", headers, body, signal, redirect: "error" };
      const response = await (options.fetch ?? fetch)(options.url, init).catch((error: unknown) => {
        signal.throwIfAborted();
        throw new RetryableError("NOTIFY_UNREACHABLE", `${name} cannot be reached: ${causeOf(error)}`);
      });
      await response.body?.cancel();
      if (response.ok) return;
      const message = `${name} answered ${response.status}`;
      if (RETRYABLE.has(response.status)) throw new RetryableError("NOTIFY_UNREACHABLE", message);
      throw new Error(message);
    },
  };
}

/** The value of `x-sunny-signature`; receivers compute the same and compare in constant time. */
export function webhookSignature(secret: Secret, timestamp: string, body: string): string {
  return `sha256=${createHmac("sha256", secret.reveal()).update(`${timestamp}.${body}`).digest("hex")}`;
}

/** `fetch` says only "fetch failed"; what happened stands in the cause. */
function causeOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
