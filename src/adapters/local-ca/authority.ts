import { createPrivateKey, randomBytes, webcrypto, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import type { Millis } from "../../clock.ts";
import { Secret } from "../../secret.ts";
import type { IssuedCertificate } from "../../operations/tls/ports.ts";

/** Clocks of clients may be a little behind. */
const BACKDATED_MS = 300_000;
const DAY_MS = 86_400_000;
const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate authority in memory. */
export interface Authority {
  readonly certificatePem: string;
  readonly key: KeyObject;
}

// The library takes 60 ms to load and needs a global of its dependency injection to be there first.
async function loadX509(): Promise<typeof import("@peculiar/x509")> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

/** Makes an authority of its own, for demos and tests: P-256, may issue nothing but end-entity certificates. */
export async function makeAuthority(options: {
  readonly name: string;
  readonly now: Millis;
  readonly days: number;
}): Promise<Authority> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [options.name] }],
    ...validity(options.now, options.days),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificatePem: `${certificate.toString("pem")}\n`,
    key: createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" }),
  };
}

/** Issues a server certificate for `names` (DNS names and IP addresses) with a new P-256 key. */
export async function issueFrom(
  authority: Authority,
  options: { readonly names: readonly string[]; readonly now: Millis; readonly days: number },
): Promise<IssuedCertificate> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const { signingKey, algorithm } = await importKey(authority.key);
  const names = options.names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [options.names[0] ?? "server"] }],
    issuer: issuer.subject,
    ...validity(options.now, options.days),
    signingKey,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  const pem = key.export({ format: "pem", type: "pkcs8" });
  return {
    chainPem: `${certificate.toString("pem")}\n`,
    key: new Secret(pem, `key of ${options.names[0] ?? "a certificate"}`),
  };
}

/** Why an authority cannot issue now; null when it can. */
export function authorityProblem({ certificatePem, key }: Authority, now: Millis): string | null {
  const certificate = new X509Certificate(certificatePem);
  if (!certificate.ca) return `${certificate.subject} is no certificate authority`;
  if (!certificate.checkPrivateKey(key)) return "key and certificate of the authority do not belong together";
  if (certificate.validToDate.getTime() <= now)
    return `the authority ${certificate.subject} expired on ${certificate.validTo}`;
  return null;
}

function validity(now: Millis, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + days * DAY_MS) };
}

/** Positive and 127 bits at random (CA/Browser Forum: at least 64). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function importKey(key: KeyObject): Promise<{ signingKey: webcrypto.CryptoKey; algorithm: typeof EC }> {
  const der = key.export({ format: "der", type: "pkcs8" });
  const curves: Record<string, string> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  const algorithm =
    key.asymmetricKeyType === "rsa"
      ? { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", namedCurve: "" }
      : { name: "ECDSA", namedCurve: curve ?? "P-256", hash: "SHA-256" };
  return { signingKey: await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]), algorithm };
}
