import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

/** What these tokens do; every other token is accepted. */
const DECLINES = {
  tok_declined: "the issuer declined the card",
  tok_expired: "the card has expired",
  tok_insufficient_funds: "the account does not cover the amount",
};

/**
 * A stand-in for the company that moves the money. It is deterministic and idempotent: the same key gives the same
 * reference however often it is asked, so a caller that crashed may ask again. `latencyMs`, default 4, is how long each
 * call takes.
 */
export function createCardProcessor({ latencyMs = 4 } = {}) {
  return {
    /** `{ approved: true, reference }` or `{ approved: false, reason }`; rejects when the processor is out of reach. */
    async authorise({ key, token }) {
      await delay(latencyMs);
      if (token === "tok_unavailable") throw new ProcessorUnavailableError();
      const reason = DECLINES[token];
      return reason === undefined ? { approved: true, reference: reference("auth", key) } : { approved: false, reason };
    },
    /** References for a batch of `{ id, kind }`, in order. */
    async settle(items) {
      await delay(latencyMs);
      return items.map(({ id, kind }) => reference(kind, id));
    },
  };
}

function reference(kind, key) {
  return `${kind}_${createHash("sha256").update(`${kind}:${key}`).digest("hex").slice(0, 24)}`;
}

/** The processor did not answer; nothing was authorised. */
export class ProcessorUnavailableError extends Error {
  constructor() {
    super("the card processor cannot be reached");
  }
}
