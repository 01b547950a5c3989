import type { Clock } from "../../clock.ts";
import type { StepScope } from "../../engine/context.ts";
import type { Secret } from "../../secret.ts";
import type { System } from "../../system/schema.ts";

export type CertificateSpec = System["certificates"][number];

/** What is in the files of a certificate. */
export interface CertificateOnDisk {
  /** Leaf first, PEM. */
  readonly chainPem: readonly string[];
  /** SHA-256 of the key's public part in DER, hex; null when the key file is missing. */
  readonly keyPublicSha256: string | null;
  /** Permission bits of the key file, as 0o600; null when it is missing. */
  readonly keyMode: number | null;
  /** Trusted authorities, PEM; empty when the system's own decide. */
  readonly caPem: readonly string[];
}

/** A certificate that was issued and is not in use yet. */
export interface IssuedCertificate {
  /** Leaf first, PEM. */
  readonly chainPem: string;
  readonly key: Secret;
}

/** The files of the configured certificates. */
export interface CertificateFiles {
  /** @throws TerminalError CERTIFICATE_UNREADABLE naming file and reason */
  read(spec: CertificateSpec): Promise<CertificateOnDisk>;
  /**
   * Puts a new certificate in place of the one there, each file replaced by a rename, the key with mode 0600. What was
   * there is kept under `turn` for `restore`. Idempotent by turn.
   */
  replace(spec: CertificateSpec, issued: IssuedCertificate, turn: string, scope: StepScope): Promise<void>;
  /** Whether `turn` put its certificate in place; for the probe after a crash. */
  replacedBy(spec: CertificateSpec, turn: string): Promise<boolean>;
  /** Brings back what `turn` replaced; false when it replaced nothing. */
  restore(spec: CertificateSpec, turn: string, scope: StepScope): Promise<boolean>;
}

/** Issues certificates: a local authority, or later ACME. */
export interface CertificateIssuer {
  /** For people: "local authority CN=…". */
  readonly name: string;
  /** @throws TerminalError CERTIFICATE_ISSUE_FAILED */
  issue(spec: CertificateSpec, scope: StepScope): Promise<IssuedCertificate>;
}

/** Makes whatever serves a certificate read its files again, without closing connections. */
export interface CertificateReloader {
  reload(spec: CertificateSpec, scope: StepScope): Promise<void>;
}

/** What a server presented in a handshake. */
export interface ServedCertificate {
  /** Leaf first, PEM. */
  readonly chainPem: readonly string[];
  /** "TLSv1.3". */
  readonly protocol: string;
}

export interface TlsProbe {
  /** Shakes hands and takes what is presented, without judging it. @throws TerminalError TLS_UNREACHABLE */
  served(
    target: { readonly connect: string; readonly serverName: string },
    signal?: AbortSignal,
  ): Promise<ServedCertificate>;
}

export interface TlsPorts {
  readonly clock: Clock;
  readonly files: CertificateFiles;
  readonly probe: TlsProbe;
  /** Null when the certificate has no issuer in the configuration. */
  readonly issuerOf: (spec: CertificateSpec) => CertificateIssuer | null;
  readonly reloader: CertificateReloader;
}
