import { X509Certificate, createHash } from "node:crypto";
import { issueFrom, makeAuthority } from "../adapters/local-ca/authority.ts";
import { Secret } from "../secret.ts";
import type { CertificateSpec, IssuedCertificate } from "../operations/tls/ports.ts";
import { STARTS_AT } from "./virtual-clock.ts";

/** Longer than any rehearsal needs. */
const AUTHORITY_DAYS = 3_650;
const FRESH_DAYS = 90;
/** Certificates at hand for renewals; whoever renews more often gets the last one again. */
const ISSUES = 4;

/** One certificate with what is known of its key. */
export interface Paper {
  readonly chainPem: string;
  readonly keyPublicSha256: string;
}

/** Real certificates for a simulated world: made before its time begins, since making them takes real time. */
export interface Papers {
  readonly caPem: string;
  /** In use for long, and about to expire, or already too close to it. */
  readonly due: Paper;
  readonly fresh: Paper;
  /** What renewals get, one after the other. */
  readonly issued: readonly Paper[];
}

/** By the certificate's name. */
export type PapersByName = ReadonlyMap<string, Papers>;

/** Makes the certificates of each specification from an authority of their own. */
export async function makePapers(specs: readonly CertificateSpec[]): Promise<PapersByName> {
  const made = new Map<string, Papers>();
  if (specs.length === 0) return made;
  const authority = await makeAuthority({ name: "Simulated authority", now: STARTS_AT, days: AUTHORITY_DAYS });
  for (const { name, hosts: names, renewBeforeDays } of specs) {
    const issue = async (days: number): Promise<Paper> =>
      paperOf((await issueFrom(authority, { names, now: STARTS_AT, days })).chainPem);
    const due = await issue(Math.max(1, renewBeforeDays - 1));
    const fresh = await issue(renewBeforeDays + FRESH_DAYS);
    const issued: Paper[] = [];
    for (let i = 0; i < ISSUES; i++) issued.push(await issue(renewBeforeDays + FRESH_DAYS));
    made.set(name, { caPem: authority.certificatePem, due, fresh, issued });
  }
  return made;
}

function paperOf(chainPem: string): Paper {
  const der = new X509Certificate(chainPem).publicKey.export({ format: "der", type: "spki" });
  return { chainPem, keyPublicSha256: createHash("sha256").update(der).digest("hex") };
}

/** A paper as an issuer hands it out; its key is never looked at. */
export const issuedOf = ({ chainPem }: Paper): IssuedCertificate => ({
  chainPem,
  key: new Secret("", "simulated key"),
});
