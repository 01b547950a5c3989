import { type Clock, sleep, withDeadline } from "../clock.ts";
import { RetryableError, type RetryPolicy } from "../engine/context.ts";
import { messageOf } from "../errors.ts";
import type { Channel, Delivery, Notice, Notifier } from "./notice.ts";
import { atLeast } from "./severity.ts";

export interface NotifierOptions {
  readonly channels: readonly Channel[];
  readonly clock: Clock;
  /** For all attempts on one channel, milliseconds; default 15,000. */
  readonly deadlineMs?: number;
  /** Default: 4 attempts, 250 ms, doubled, at most 5 s apart. */
  readonly retry?: RetryPolicy;
  /** Keeps what became of each notice; its own failure is ignored. */
  readonly record?: (delivery: Delivery) => void;
}

/**
 * Tells every channel whose severity fits, all at once. It never rejects: what could not be delivered is in the answer
 * and in `record`. A channel that hangs is given up at the deadline.
 */
export function createNotifier(options: NotifierOptions): Notifier {
  return {
    async notify(notice, signal) {
      const fitting = options.channels.filter((channel) => atLeast(notice.severity, channel.from));
      const deliveries = await Promise.all(fitting.map((channel) => deliver(channel, notice, options, signal)));
      for (const delivery of deliveries) keep(delivery, options);
      return deliveries;
    },
  };
}

/** A notifier that tells nobody, for systems without channels. */
export const silentNotifier: Notifier = { notify: () => Promise.resolve([]) };

function keep(delivery: Delivery, { record }: NotifierOptions): void {
  try {
    record?.(delivery);
  } catch {
    // A record that cannot be written must not turn a delivered notice into a failed deployment.
  }
}

async function deliver(
  channel: Channel,
  notice: Notice,
  options: NotifierOptions,
  outer: AbortSignal | undefined,
): Promise<Delivery> {
  const { clock, deadlineMs = 15_000 } = options;
  const done = (attempts: number, error: string | null): Delivery => ({
    channel: channel.name,
    notice: notice.id,
    at: clock.now(),
    ok: error === null,
    attempts,
    error,
  });
  let attempts = 0;
  const late = (): Error => new Error(`no answer within ${deadlineMs} ms`);
  try {
    await withDeadline(clock, deadlineMs, outer, (signal) => Promise.race([trySending(signal), aborted(signal)]), late);
    return done(attempts, null);
  } catch (error) {
    return done(attempts, messageOf(error));
  }

  async function trySending(signal: AbortSignal): Promise<void> {
    const { maxAttempts, initialMs = 250, factor = 2, maxMs = 5_000 } = options.retry ?? { maxAttempts: 4 };
    for (attempts = 1; ; attempts++) {
      try {
        return await channel.send(notice, signal);
      } catch (error) {
        if (!(error instanceof RetryableError) || attempts >= maxAttempts) throw error;
        await sleep(clock, Math.min(maxMs, initialMs * factor ** (attempts - 1)), signal);
      }
    }
  }
}

/** Rejects when the signal fires: a channel that ignores its signal is not waited for. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fire = (): void => reject(signal.reason as Error);
    if (signal.aborted) fire();
    else signal.addEventListener("abort", fire, { once: true });
  });
}
