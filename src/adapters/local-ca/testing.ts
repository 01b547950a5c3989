import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server, type TlsOptions } from "node:tls";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import type { CertificateSpec } from "../../operations/tls/ports.ts";
import { issueFrom, makeAuthority, type Authority } from "./authority.ts";

/** For tests: an authority in files, and a certificate of it for `names`. */
export interface CertificateWorld {
  readonly authority: Authority;
  readonly spec: CertificateSpec;
  readonly caFile: string;
  readonly caKeyFile: string;
  /** Issues anew, in place of the files. */
  issue(options?: {
    readonly names?: readonly string[];
    readonly days?: number;
    readonly from?: Authority;
  }): Promise<{ cert: string; key: string }>;
}

export async function certificateWorld(
  directory: string,
  names: readonly string[] = ["api.sunnypayments.com"],
): Promise<CertificateWorld> {
  mkdirSync(directory, { recursive: true });
  const authority = await makeAuthority({ name: "Test authority", now: systemClock.now(), days: 365 });
  const file = (name: string): string => path.join(directory, name);
  writeFileSync(file("ca.pem"), authority.certificatePem);
  writeFileSync(file("ca.key"), authority.key.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  const spec: CertificateSpec = {
    name: "api",
    hosts: [...names],
    certFile: file("api.pem"),
    keyFile: file("api.key"),
    caFile: file("ca.pem"),
    renewBeforeDays: 14,
    issuer: { kind: "local-ca", caCertFile: file("ca.pem"), caKeyFile: file("ca.key"), days: 90 },
  };
  const issue: CertificateWorld["issue"] = async (options = {}) => {
    const issued = await issueFrom(options.from ?? authority, {
      names: options.names ?? names,
      now: systemClock.now(),
      days: options.days ?? 90,
    });
    writeFileSync(spec.certFile, issued.chainPem);
    writeFileSync(spec.keyFile, issued.key.reveal(), { mode: 0o600 });
    return { cert: issued.chainPem, key: issued.key.reveal() };
  };
  await issue();
  return { authority, spec, caFile: file("ca.pem"), caKeyFile: file("ca.key"), issue };
}

/** For tests: a TLS server that says nothing, and where it is. */
export async function tlsServer(t: TestContext, options: TlsOptions): Promise<{ server: Server; connect: string }> {
  const server = createServer(options, (socket) => socket.end());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { server, connect: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}
