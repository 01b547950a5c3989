import { randomBytes } from "node:crypto";
import type { webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;
/** Clocks differ: a certificate is valid from a little before it was made. */
const BACKDATED_MS = 300_000;

/** Files of the demo's own certificate authority and of the certificate that it issued, PEM; keys are PKCS #8, 0600. */
export interface CertificateFiles {
  readonly caCertFile: string;
  readonly caKeyFile: string;
  /** The server's certificate and below it that of the authority. */
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Makes a certificate authority and a server certificate for `hosts` in `directory`. The authority is trusted by nobody
 * but the demo, and its key never leaves the directory. `days` is how long the server's certificate is valid, default 90.
 */
export async function createCertificates(
  directory: string,
  options: { readonly hosts: readonly string[]; readonly now: number; readonly days?: number },
): Promise<CertificateFiles> {
  // The library asks for this polyfill to be there before it is loaded.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const { hosts, now, days = 90 } = options;
  const caKeys = await newKeys();
  const notBefore = new Date(now - BACKDATED_MS);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: "CN=Sunny Payments demo authority, O=Sunny Payments",
    notBefore,
    notAfter: new Date(now + 3650 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const keys = await newKeys();
  const server = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${hosts[0]}`,
    issuer: ca.subject,
    notBefore,
    notAfter: new Date(now + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: "dns", value }))),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const files: CertificateFiles = {
    caCertFile: path.join(directory, "ca.pem"),
    caKeyFile: path.join(directory, "ca-key.pem"),
    certFile: path.join(directory, "api.pem"),
    keyFile: path.join(directory, "api-key.pem"),
  };
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(files.caCertFile, `${ca.toString("pem")}\n`);
  await writeFile(files.caKeyFile, await privatePem(caKeys), { mode: 0o600 });
  await writeFile(files.certFile, `${server.toString("pem")}\n${ca.toString("pem")}\n`);
  await writeFile(files.keyFile, await privatePem(keys), { mode: 0o600 });
  return files;
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

/** 127 random bits: positive, as RFC 5280 (4.1.2.2) asks, and never the same twice. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f || 1;
  return bytes.toString("hex");
}

async function privatePem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
