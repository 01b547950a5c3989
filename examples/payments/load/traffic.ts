import { randomUUID } from "node:crypto";
import type { LedgerEntry } from "./ledger.ts";

type Payment = LedgerEntry & { kind: "payment" };

/** One request of the mix. */
export type Ask =
  | { readonly kind: "create"; readonly key: string; readonly amount: number; readonly currency: string }
  | { readonly kind: "read"; readonly payment: Payment }
  | { readonly kind: "refund"; readonly key: string; readonly payment: Payment; readonly amount: number };

/** Parts of the mix: half of the requests are POSTs. The rest reads. */
const CREATE = 0.44;
const REFUND = 0.06;
const CURRENCIES = ["EUR", "USD", "GBP", "CHF"];
/** Acknowledged payments that reads and refunds choose from: the newest ones. */
const REMEMBERED = 2_000;

/** Draws the mix from a seed; what was acknowledged is told to `acknowledged`. */
export class Traffic {
  readonly #random: () => number;
  readonly #payments: Payment[] = [];
  readonly #refundable: Payment[] = [];

  constructor(seed: number) {
    this.#random = xorshift(seed);
  }

  next(): Ask {
    const draw = this.#random();
    if (draw < REFUND) {
      // Each payment is refunded once at most, so that every refund is expected to succeed.
      const payment = take(this.#refundable, this.#random());
      if (payment !== undefined) {
        const part = this.#random() < 0.5 ? payment.amount : Math.ceil(payment.amount / 2);
        return { kind: "refund", key: `refund-${randomUUID()}`, payment, amount: part };
      }
    }
    const payment = this.#payments[Math.floor(this.#random() * this.#payments.length)];
    if (draw >= REFUND + CREATE && payment !== undefined) return { kind: "read", payment };
    const amount = 100 + Math.floor(this.#random() * 50_000);
    const currency = CURRENCIES[Math.floor(this.#random() * CURRENCIES.length)] ?? "EUR";
    return { kind: "create", key: `order-${randomUUID()}`, amount, currency };
  }

  acknowledged(payment: Payment): void {
    const slot = this.#payments.length < REMEMBERED ? this.#payments.length : Math.floor(this.#random() * REMEMBERED);
    this.#payments[slot] = payment;
    if (this.#refundable.length < REMEMBERED) this.#refundable.push(payment);
  }
}

function take<T>(list: T[], draw: number): T | undefined {
  const index = Math.floor(draw * list.length);
  const chosen = list[index];
  const last = list.pop();
  if (last !== undefined && index < list.length) list[index] = last;
  return chosen;
}

/** Numbers in [0, 1) by xorshift with 32 bits of state (Marsaglia, "Xorshift RNGs", 2003). */
function xorshift(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}
