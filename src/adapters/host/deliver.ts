import { TerminalError } from "../../engine/context.ts";
import type { StepScope } from "../../engine/context.ts";
import { isSunnyError } from "../../errors.ts";
import type { ReleaseRef } from "../../operation.ts";
import type { Deliveries, Delivery, DeliveryTarget } from "../../release/delivery.ts";
import type { HostAccess } from "./access.ts";
import { deliverScript, offerScript } from "./script-deliver.ts";

/** What a host says that it has; see `offerScript`. */
interface Offer extends DeliveryTarget {
  readonly complete: boolean;
  readonly partial: readonly { readonly sha256: string; readonly bytes: number }[];
}

const DELIVER_MS = 600_000;
/** What is there may change between asking and sending; more often than this it is not chance. */
const TRIES = 3;

/** Small deliveries that hosts took, by release: the next host mostly lacks the same, and tells when it does not. */
const taken = new WeakMap<Deliveries, Map<string, Delivery>>();

/**
 * Brings a host what it lacks of a release: nothing when it has it, what differs from a release that it has, or
 * everything; and of that only what an earlier attempt did not bring already.
 *
 * @throws TerminalError HOST_DIGEST_MISMATCH, HOST_DISK_FULL, HOST_FENCED, RELEASE_UNKNOWN, RetryableError
 *   HOST_TRANSFER_CUT
 */
export async function deliver(
  access: HostAccess,
  deliveries: Deliveries,
  host: string,
  release: ReleaseRef,
  scope: StepScope,
): Promise<{ readonly installed: boolean }> {
  const before = taken.get(deliveries)?.get(release.id);
  if (before !== undefined) {
    const outcome = await send(access, host, release, { ...before, have: 0 }, scope);
    if (outcome === "yes" || outcome === "no") return { installed: outcome === "yes" };
  }
  let whole = false;
  for (let attempt = 1; ; attempt++) {
    const offer = parseOffer(await access.read(host, offerScript(access.place(host), release.id), scope.signal));
    if (offer.complete) return { installed: false };
    const delivery = await prepared(deliveries, release, offer, whole, host);
    const have = offer.partial.find((one) => one.sha256 === delivery.sha256 && one.bytes <= delivery.bytes)?.bytes ?? 0;
    try {
      const outcome = await send(access, host, release, { ...delivery, have }, scope);
      if (outcome === "yes") remember(deliveries, release, delivery);
      if (outcome === "yes" || outcome === "no") return { installed: outcome === "yes" };
      if (attempt >= TRIES) throw gaveUp(host, release, outcome);
      if (outcome === "unfit") {
        scope.log(`${host}: ${delivery.base?.id ?? "its base"} was altered there; all of ${release.id} is sent\n`);
        whole = true;
      }
    } catch (error) {
      // A first part that was damaged on the disk is thrown away there; all of it is sent once more.
      if (have === 0 || attempt >= TRIES || !isMismatch(error)) throw error;
      scope.log(`${host}: what was left of an earlier attempt is damaged; it is sent again\n`);
    }
  }
}

function remember(deliveries: Deliveries, release: ReleaseRef, delivery: Delivery): void {
  if (delivery.files === null) return;
  const known = taken.get(deliveries) ?? new Map<string, Delivery>();
  taken.set(deliveries, known.set(release.id, delivery));
}

/** Runs one delivery; gives back what the host says has become of it. */
async function send(
  access: HostAccess,
  host: string,
  release: ReleaseRef,
  delivery: Delivery & { readonly have: number },
  scope: StepScope,
): Promise<string> {
  const script = deliverScript(access.place(host), access.fence(scope), release, delivery, access.releaseCheck);
  const payload = delivery.files === null ? { payloadPath: delivery.path, payloadStart: delivery.have } : {};
  const output = await access.change(host, script, scope, { deadlineMs: DELIVER_MS, stays: true, ...payload });
  return /^installed (.+)$/m.exec(output)?.[1] ?? "unknown";
}

async function prepared(
  deliveries: Deliveries,
  release: ReleaseRef,
  offer: Offer,
  whole: boolean,
  host: string,
): Promise<Delivery> {
  try {
    return await (whole ? deliveries.prepareWhole(release.id, offer) : deliveries.prepare(release.id, offer));
  } catch (error) {
    if (!isSunnyError(error)) throw error;
    const code = error.code === "RELEASE_NOT_FOUND" ? "RELEASE_UNKNOWN" : error.code;
    throw new TerminalError(code, `${host}: ${error.message}`, { host }, { cause: error });
  }
}

function isMismatch(error: unknown): boolean {
  return error instanceof TerminalError && error.code === "HOST_DIGEST_MISMATCH";
}

function gaveUp(host: string, release: ReleaseRef, outcome: string): TerminalError {
  const why = outcome === "moved" ? "something else writes there at the same time" : `it answers "${outcome}"`;
  return new TerminalError("HOST_SCRIPT_FAILED", `${host}: release ${release.id} cannot be installed: ${why}`, {
    host,
  });
}

function parseOffer(output: string): Offer {
  const lines = output.split("\n").map((line) => line.split(" "));
  const all = (name: string): string[][] => lines.filter((words) => words[0] === name);
  return {
    complete: all("complete").length > 0,
    zstd: all("zstd").length > 0,
    releases: all("release").map((words) => words[1] ?? ""),
    partial: all("partial").map((words) => ({ sha256: words[1] ?? "", bytes: Number(words[2] ?? 0) })),
  };
}
