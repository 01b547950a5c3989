import type { Millis } from "../clock.ts";
import { rfc3339 } from "../clock.ts";
import type { Json } from "../json.ts";
import type { GateBinding } from "../system/schema.ts";
import { describeAttestation, type RecordedAttestation } from "./attestation.ts";

/** A gate of a frozen plan. */
export interface GateSpec {
  readonly id: string;
  readonly group: string;
  readonly text: string;
  readonly binding: GateBinding;
}

/** `passed` was checked, `attested` a person answers for, `failed` was checked and does not hold, `missing` nobody answered for yet. */
export type GateState = "passed" | "attested" | "failed" | "missing";

/** What is known about a gate, with what was asked and what answered. */
export interface GateResult {
  readonly id: string;
  readonly text: string;
  readonly group: string;
  readonly state: GateState;
  /** "verify-ssl", "attested by DBA, signed"; empty when missing. */
  readonly by: string;
  /** Milliseconds since the epoch; when it was checked or attested, null when missing. */
  readonly at: Millis | null;
  /** One line for people: what was found, or what is needed. */
  readonly note: string;
  readonly evidence: Json;
}

/** What a check of a gate answered. */
export interface CheckOutcome {
  readonly ok: boolean;
  readonly at: Millis;
  /** One sentence: "the certificate is valid for 61 days". */
  readonly summary: string;
  /** What answered, in full: findings, output, status; no secrets. */
  readonly evidence: Json;
}

/** All gates of a plan at one moment. `open` when each is passed or attested. */
export interface GateReport {
  readonly open: boolean;
  readonly results: readonly GateResult[];
  readonly failed: readonly GateResult[];
  readonly missing: readonly GateResult[];
}

/** One gate from what its check answered, or from the attestations for it. An attestation never stands in for a check. */
export function gateResult(
  gate: GateSpec,
  check: CheckOutcome | undefined,
  attestations: readonly RecordedAttestation[],
  now: Millis,
): GateResult {
  const { id, text, group, binding } = gate;
  const base = { id, text, group };
  if (binding.kind !== "attest") return { ...base, ...checked(binding, check) };
  const valid = attestations.find(
    ({ attestation }) => attestation.gate === id && now < endOf(attestation, binding.validMs),
  );
  if (valid === undefined) return { ...base, ...missing(`to be attested by ${whoMay(binding.roles)}`) };
  const { attestation, signature, osUser } = valid;
  return {
    ...base,
    state: "attested",
    by: describeAttestation(valid),
    at: attestation.issuedAt,
    note: attestation.note,
    evidence: {
      name: attestation.name,
      note: attestation.note,
      until: rfc3339(endOf(attestation, binding.validMs)),
      signed: signature === null ? false : signature.fingerprint,
      ...(osUser === null ? {} : { osUser }),
    },
  };
}

/** All gates; `checks` by gate id. */
export function gateReport(
  gates: readonly GateSpec[],
  checks: Readonly<Record<string, CheckOutcome>>,
  attestations: readonly RecordedAttestation[],
  now: Millis,
): GateReport {
  const results = gates.map((gate) => gateResult(gate, checks[gate.id], attestations, now));
  const failed = results.filter((result) => result.state === "failed");
  const open = results.every((result) => result.state === "passed" || result.state === "attested");
  return { open, results, failed, missing: results.filter((result) => result.state === "missing") };
}

type Answer = Pick<GateResult, "state" | "by" | "at" | "note" | "evidence">;

function checked(binding: Exclude<GateBinding, { kind: "attest" }>, check: CheckOutcome | undefined): Answer {
  const by = binding.kind === "operation" ? binding.name : binding.argv.join(" ");
  if (check === undefined) return missing(`not checked yet by ${by}`);
  const asked =
    binding.kind === "operation" ? { operation: binding.name, args: binding.args } : { command: binding.argv };
  return {
    state: check.ok ? "passed" : "failed",
    by,
    at: check.at,
    note: check.summary,
    evidence: { asked, answered: check.evidence, summary: check.summary },
  };
}

function missing(note: string): Answer {
  return { state: "missing", by: "", at: null, note, evidence: null };
}

function whoMay(roles: readonly string[]): string {
  return roles.includes("*") ? "a person named in the configuration" : roles.join(" or ");
}

/** An attestation lasts as long as it says, but never longer than the gate allows. */
function endOf(attestation: RecordedAttestation["attestation"], validMs: number): Millis {
  return Math.min(attestation.expiresAt, attestation.issuedAt + validMs);
}
