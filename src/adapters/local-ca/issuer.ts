import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Clock } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { CertificateIssuer } from "../../operations/tls/ports.ts";
import { authorityProblem, issueFrom, type Authority } from "./authority.ts";

export interface LocalCaOptions {
  readonly caCertFile: string;
  readonly caKeyFile: string;
  /** Validity of what is issued. */
  readonly days: number;
  readonly clock: Clock;
}

/** Issues certificates from an authority whose certificate and key are files on this machine. */
export function localCaIssuer({ caCertFile, caKeyFile, days, clock }: LocalCaOptions): CertificateIssuer {
  return {
    name: `local authority ${caCertFile}`,
    async issue(spec, scope) {
      const authority = await readAuthority(caCertFile, caKeyFile);
      const problem = authorityProblem(authority, clock.now());
      if (problem !== null) throw failed(spec.name, problem);
      // A certificate that outlives its authority is worth nothing from then on.
      const left = (new X509Certificate(authority.certificatePem).validToDate.getTime() - clock.now()) / 86_400_000;
      const issued = await issueFrom(authority, { names: spec.hosts, now: clock.now(), days: Math.min(days, left) });
      scope.log(`issued for ${spec.hosts.join(", ")}, valid for ${Math.floor(Math.min(days, left))} days\n`);
      return issued;
    },
  };
}

async function readAuthority(certFile: string, keyFile: string): Promise<Authority> {
  try {
    const certificatePem = await readFile(certFile, "utf8");
    const key = createPrivateKey(await readFile(keyFile, "utf8"));
    return { certificatePem: new X509Certificate(certificatePem).toString(), key };
  } catch (error) {
    throw failed(certFile, `the authority's files ${certFile} and ${keyFile} cannot be used: ${messageOf(error)}`);
  }
}

function failed(name: string, why: string): TerminalError {
  return new TerminalError("CERTIFICATE_ISSUE_FAILED", `No certificate was issued for ${name}: ${why}`);
}
