import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Millis } from "../../clock.ts";
import { nodeTls } from "../../node-http.ts";
import type { Finding } from "../../operation.ts";
import { bad, good } from "../checks/findings.ts";
import type { CertificateOnDisk, CertificateSpec } from "./ports.ts";

const DAY_MS = 86_400_000;
/** A chain is two or three certificates long; more is a circle. */
const CHAIN_LIMIT = 8;

/** Everything that can be said of a certificate from its files: validity, names, key, chain. */
export function judgeCertificate(spec: CertificateSpec, disk: CertificateOnDisk, now: Millis): Finding[] {
  const subject = `certificate ${spec.name}`;
  const [leaf, ...rest] = disk.chainPem.map((pem) => new X509Certificate(pem));
  if (leaf === undefined) return [bad(subject, `${spec.certFile} holds no certificate`)];
  return [
    validity(subject, leaf, spec, now),
    names(subject, leaf, spec),
    key(subject, leaf, spec, disk),
    chain(subject, leaf, rest, disk.caPem, now),
  ];
}

/** The part of a certificate that tells it from every other: SHA-256 of its DER, hex. */
export function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}

function validity(subject: string, leaf: X509Certificate, spec: CertificateSpec, now: Millis): Finding {
  const [from, until] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
  const date = leaf.validToDate.toISOString().slice(0, 10);
  if (now < from) return bad(subject, `is not valid before ${leaf.validFromDate.toISOString()}`);
  if (now >= until) return bad(subject, `expired on ${date} (${spec.certFile})`);
  const days = Math.floor((until - now) / DAY_MS);
  if (days < spec.renewBeforeDays) {
    return bad(
      subject,
      `expires in ${days} ${days === 1 ? "day" : "days"}, on ${date}; at least ${spec.renewBeforeDays} are asked for`,
    );
  }
  return good(subject, `valid until ${date}, ${days} days`);
}

function names(subject: string, leaf: X509Certificate, spec: CertificateSpec): Finding {
  const missing = spec.hosts.filter(
    (name) => (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) === undefined,
  );
  if (missing.length === 0) return good(subject, `is for ${spec.hosts.join(", ")}`);
  return bad(subject, `is not for ${missing.join(", ")}; it names ${leaf.subjectAltName ?? leaf.subject}`);
}

function key(subject: string, leaf: X509Certificate, spec: CertificateSpec, disk: CertificateOnDisk): Finding {
  if (disk.keyPublicSha256 === null) return bad(subject, `its key ${spec.keyFile} is missing`);
  const der = leaf.publicKey.export({ format: "der", type: "spki" });
  if (createHash("sha256").update(der).digest("hex") !== disk.keyPublicSha256) {
    return bad(subject, `the key in ${spec.keyFile} is not that of the certificate`);
  }
  if (((disk.keyMode ?? 0) & 0o077) !== 0) {
    return bad(
      subject,
      `others can read its key ${spec.keyFile}: mode ${(disk.keyMode ?? 0).toString(8)}, 600 is asked for`,
    );
  }
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength ?? Number.POSITIVE_INFINITY;
  return bits < 2048
    ? bad(subject, `has an RSA key of ${bits} bits, at least 2048 are asked for`)
    : good(subject, "key and certificate belong together");
}

function chain(
  subject: string,
  leaf: X509Certificate,
  rest: X509Certificate[],
  caPem: readonly string[],
  now: Millis,
): Finding {
  const trusted = (caPem.length > 0 ? caPem : nodeTls().rootCertificates).map((pem) => new X509Certificate(pem));
  let current = leaf;
  for (let length = 0; length < CHAIN_LIMIT; length++) {
    const expired = current !== leaf && current.validToDate.getTime() <= now;
    if (expired)
      return bad(subject, `its chain holds ${oneLine(current.subject)}, which expired on ${current.validTo}`);
    const anchor = trusted.find((one) => issued(one, current));
    if (anchor !== undefined) {
      if (anchor.validToDate.getTime() > now) return good(subject, `trusted through ${oneLine(anchor.subject)}`);
      return bad(subject, `its authority ${oneLine(anchor.subject)} expired on ${anchor.validTo}`);
    }
    const next = rest.find((one) => one !== current && one.ca && issued(one, current));
    if (next === undefined || next === current) break;
    current = next;
  }
  return bad(subject, `leads to no trusted authority: nobody who is trusted issued ${oneLine(current.subject)}`);
}

function issued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function oneLine(name: string): string {
  return name.replaceAll("\n", ", ");
}
