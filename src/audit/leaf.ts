import { SunnyError, messageOf } from "../errors.ts";
import { canonicalJson, digestOf } from "../json.ts";
import type { Json } from "../json.ts";

/** Who acted. `via` is what a person acted through ("sunny resume --all from cron"). */
export interface AuditActor {
  readonly name: string;
  readonly kind: "person" | "system";
  readonly via?: string;
}

/** From where. */
export interface AuditOrigin {
  readonly host: string;
  readonly pid: number;
  /** Id of the session of the HTTP API or the console. */
  readonly session?: string;
}

/** What was acted on. `step` is the step's name in its run, `target` a host, database or file. */
export interface AuditResource {
  readonly service: string;
  readonly environment: string;
  readonly deployment?: string;
  readonly step?: string;
  readonly target?: string;
  readonly version?: string;
}

/**
 * One action, as it is recorded for ever. Action is a dotted verb (`step.started`, `deployment.succeeded`,
 * `approval.granted`, `log.read`), outcome how it ended (`started` when it has not). Must hold no secret.
 */
export interface AuditLeaf {
  readonly v: 1;
  /** RFC 3339 in UTC. */
  readonly at: string;
  readonly actor: AuditActor;
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly origin: AuditOrigin;
  readonly resource: AuditResource;
  /** What else is worth knowing; replaced by its digest when the leaf would be too long. */
  readonly detail?: Json;
  /** The journal row that this leaf belongs to, and the SHA-256 of its content in hex. */
  readonly journal?: { readonly seq: number; readonly sha256: string };
}

export type AuditOutcome = "success" | "failure" | "started" | "denied" | "unknown" | "cancelled";

/** The longest leaf, in bytes: entry bundles prefix each with a uint16. */
export const MAX_LEAF_BYTES = 65_535;

/**
 * The bytes of a leaf: canonical JSON (RFC 8785) in UTF-8, at most `MAX_LEAF_BYTES`. A detail that does not fit is
 * replaced by `{"omitted": {"digest", "bytes"}}`, so whoever kept it can still show that it is the one.
 * @throws AUDIT_LEAF_INVALID when the leaf is no JSON, or too long even so.
 */
export function leafBytes(leaf: AuditLeaf): Buffer {
  try {
    const whole = Buffer.from(canonicalJson(leaf));
    if (whole.length <= MAX_LEAF_BYTES) return whole;
    const bytes = Buffer.byteLength(canonicalJson(leaf.detail ?? null));
    const short = { ...leaf, detail: { omitted: { digest: digestOf(leaf.detail ?? null), bytes } } };
    const data = Buffer.from(canonicalJson(short));
    if (data.length <= MAX_LEAF_BYTES) return data;
  } catch (error) {
    throw new SunnyError("AUDIT_LEAF_INVALID", `Cannot record ${leaf.action}: ${messageOf(error)}`, { cause: error });
  }
  throw new SunnyError(
    "AUDIT_LEAF_INVALID",
    `Cannot record ${leaf.action}: it is longer than ${MAX_LEAF_BYTES} bytes`,
    {
      hint: "Only `detail` is shortened; put long text there.",
    },
  );
}

/** Reads the bytes of a leaf back. @throws AUDIT_LEAF_INVALID when they are not a leaf in canonical form. */
export function parseLeaf(data: Uint8Array): AuditLeaf {
  const text = Buffer.from(data).toString("utf8");
  try {
    const leaf = JSON.parse(text) as AuditLeaf;
    if (leaf.v === 1 && typeof leaf.action === "string" && canonicalJson(leaf) === text) return leaf;
  } catch (error) {
    throw new SunnyError("AUDIT_LEAF_INVALID", `Not a leaf of the audit log: ${messageOf(error)}`, { cause: error });
  }
  throw new SunnyError("AUDIT_LEAF_INVALID", "Not a leaf of the audit log: not version 1 in canonical JSON");
}
