import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { SunnyError, messageOf } from "../../errors.ts";

/** What is served, for people and for checks; no key. */
export interface CertificateSummary {
  readonly subject: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** A certificate with its chain and its key, PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly summary: CertificateSummary;
}

/**
 * Reads a certificate (with its chain after it) and its key, and makes sure that they belong together.
 *
 * @throws SunnyError PROXY_CERTIFICATE_INVALID
 */
export function readTlsMaterial(certFile: string, keyFile: string): TlsMaterial {
  try {
    const cert = readFileSync(certFile, "utf8");
    const key = readFileSync(keyFile, "utf8");
    const leaf = new X509Certificate(cert);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("the key does not belong to the certificate");
    const summary = {
      subject: leaf.subjectAltName ?? leaf.subject,
      fingerprint: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
      notAfter: leaf.validToDate.getTime(),
    };
    return { cert, key, summary };
  } catch (error) {
    throw new SunnyError("PROXY_CERTIFICATE_INVALID", `cannot serve with ${certFile}: ${messageOf(error)}`, {
      hint: "Check the certificate and its key, then load them again; the proxy goes on with the one before.",
      details: { certFile, keyFile },
      cause: error,
    });
  }
}
