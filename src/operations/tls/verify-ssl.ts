import type { System } from "../../system/schema.ts";
import { defineOperation, type Finding, type Operation } from "../../operation.ts";
import { bad, concluded, good, looked, noArguments, readStep } from "../checks/findings.ts";
import { fingerprint, judgeCertificate } from "./judge.ts";
import type { CertificateSpec, TlsPorts } from "./ports.ts";

/** `verify-ssl`: every configured certificate, its key, its chain, its names, and that it is the one that is served. */
export function verifySslOperation(ports: Pick<TlsPorts, "files" | "probe" | "clock">): Operation {
  return defineOperation({
    name: "verify-ssl",
    script: "sh",
    title: "Checks every certificate: validity, names, key, chain, and that it is the one served",
    args: noArguments,
    changes: [],
    deadlineMs: 120_000,
    run: async (ctx, call) => {
      const { certificates } = call.system;
      const findings = await readStep(ctx, call, "check", 120_000, async ({ signal }) => {
        const now = ports.clock.now();
        const each = await Promise.all(certificates.map((spec) => judgeOne(ports, call.system, spec, now, signal)));
        return each.flat();
      });
      // A check that looks at nothing must not look like one that found nothing wrong.
      if (certificates.length === 0) findings.push(bad("certificates", "none are configured, so none were checked"));
      const names = certificates.map(({ name }) => name).join(", ");
      return concluded(findings, `Valid, trusted and served: ${names}`);
    },
  });
}

/** Findings of one certificate, files and served. */
export async function judgeOne(
  { files, probe }: { readonly files: Pick<TlsPorts["files"], "read">; readonly probe: TlsPorts["probe"] },
  system: Pick<System, "endpoints">,
  spec: CertificateSpec,
  now: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  const subject = `certificate ${spec.name}`;
  return looked(subject, signal, async () => {
    const disk = await files.read(spec);
    const served = await Promise.all(
      servedAt(system, spec).map(({ connect, serverName }) =>
        looked(subject, signal, async (): Promise<Finding> => {
          const { chainPem, protocol } = await probe.served({ connect, serverName }, signal);
          const where = `${serverName} (${connect})`;
          if (fingerprint(chainPem[0] ?? "") === fingerprint(disk.chainPem[0] ?? "")) {
            return good(subject, `is what ${where} serves, over ${protocol}`);
          }
          return bad(
            subject,
            `is not what ${where} serves: there it is one with SHA-256 ${fingerprint(chainPem[0] ?? "").slice(0, 16)}; reload it, or run \`sunny run renew-ssl\``,
          );
        }),
      ),
    );
    return [...judgeCertificate(spec, disk, now), ...served.flat()];
  });
}

/** Where a certificate is expected to be served: the configured endpoints of its names, else port 443 of each name. */
export function servedAt(
  system: Pick<System, "endpoints">,
  spec: CertificateSpec,
): { connect: string; serverName: string }[] {
  const hosts = spec.hosts.filter((name) => !name.startsWith("*."));
  const endpoints = Object.entries(system.endpoints).flatMap(([key, { connect }]) => {
    const url = new URL(key);
    return url.protocol === "https:" && hosts.includes(url.hostname) ? [{ connect, serverName: url.hostname }] : [];
  });
  const mapped = new Set(endpoints.map(({ serverName }) => serverName));
  const others = hosts
    .filter((name) => !mapped.has(name))
    .map((name) => ({ connect: `${name}:443`, serverName: name }));
  return mapped.size > 0 ? endpoints : others;
}
