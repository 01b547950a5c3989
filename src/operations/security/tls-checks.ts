import type { EndpointProbes, HandshakeLimits, ProbeTarget } from "./ports.ts";
import { safe, weak, type Weakness } from "./severity.ts";

/** The library's own security level would not even offer what must be refused. */
const ANY_CIPHER = "DEFAULT:@SECLEVEL=0";
const WEAK_CIPHERS = "RC4:3DES:DES:EXPORT:NULL:eNULL:aNULL:MD5:@SECLEVEL=0";

const REFUSED: readonly { readonly what: string; readonly limits: HandshakeLimits }[] = [
  { what: "TLS 1.0", limits: { minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: ANY_CIPHER } },
  { what: "TLS 1.1", limits: { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: ANY_CIPHER } },
  { what: "weak ciphers", limits: { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: WEAK_CIPHERS } },
];

/** Protocol versions, ciphers, name and chain of a TLS endpoint (RFC 8996 retires TLS 1.0 and 1.1). */
export async function tlsChecks(probes: EndpointProbes, target: ProbeTarget, signal: AbortSignal): Promise<Weakness[]> {
  const subject = `TLS of ${target.serverName}`;
  const best = await probes.handshake(target, { minVersion: "TLSv1.2", maxVersion: "TLSv1.3" }, signal);
  if (!best.accepted) return [weak("high", subject, `no handshake with TLS 1.2 or 1.3: ${best.reason}`)];
  const found = [
    best.trusted
      ? safe(subject, `${best.protocol ?? ""}, ${best.cipher ?? ""}, name and chain are right`)
      : weak("high", subject, `the certificate is not trusted: ${best.reason}`),
  ];
  for (const { what, limits } of REFUSED) {
    const result = await probes.handshake(target, limits, signal);
    if (!result.tried)
      found.push(safe(subject, `${what}: not tried, since this machine cannot offer it: ${result.reason}`));
    else if (result.accepted)
      found.push(weak("high", subject, `accepts ${what}: ${result.protocol ?? ""} with ${result.cipher ?? ""}`));
    else found.push(safe(subject, `refuses ${what}`));
  }
  return found;
}
