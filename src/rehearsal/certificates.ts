import { TerminalError } from "../engine/context.ts";
import type { CertificateFiles, CertificateSpec, TlsPorts } from "../operations/tls/ports.ts";
import { issuedOf } from "./papers.ts";
import type { Paper, Papers } from "./papers.ts";
import type { SimulatedProcess } from "./process.ts";
import { originIn } from "./script.ts";
import type { Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

/** What a renewal has kept of the files before it, and what it puts in their place. */
interface Kept {
  readonly certificate: Paper;
  readonly key: Paper;
  next: Paper | null;
}

/** One certificate: its two files, and what the server presents until it reads them again. */
export interface SimulatedCertificate {
  readonly hosts: readonly string[];
  readonly papers: Papers;
  certificate: Paper;
  /** The paper whose key is in the key file. */
  key: Paper;
  served: Paper;
  issued: number;
  readonly kept: Map<string, Kept>;
}

/** A certificate that is in its files and served. */
export function newCertificate(
  { hosts }: Pick<CertificateSpec, "hosts">,
  papers: Papers,
  state: "due" | "fresh",
): SimulatedCertificate {
  const paper = papers[state];
  return { hosts, papers, certificate: paper, key: paper, served: paper, issued: 0, kept: new Map() };
}

/** What is where, for comparison: which of several renewed ones makes no difference. */
export function certificatePicture(one: SimulatedCertificate): string {
  const { papers, certificate, key, served } = one;
  const word = papers.issued.includes(certificate) ? "renewed" : certificate === papers.due ? "due" : "fresh";
  const rest = [key === certificate ? "" : "with another key", served === certificate ? "" : "and not served"];
  return [word, ...rest].filter((part) => part !== "").join(" ");
}

/** From one file to the next: long enough for a program to be ended between the two. */
const WRITE_MS = 60;
const ISSUE_MS = 300;
const RELOAD_MS = 30;

/** Certificates as a process reaches them: files that know no fence, a server that is told to read them again. */
export function simulatedTls(world: SimulatedWorld, process: SimulatedProcess): TlsPorts {
  const certificateOf = ({ name }: Pick<CertificateSpec, "name">): SimulatedCertificate => {
    const found = world.certificates.get(name);
    if (found === undefined) throw new TerminalError("CERTIFICATE_UNREADABLE", `there is no certificate ${name}`);
    return found;
  };
  return {
    clock: process.clock,
    files: simulatedFiles(world, process, certificateOf),
    probe: {
      served: ({ serverName }, signal) =>
        process.read(
          `handshake ${serverName}`,
          () => {
            const found = [...world.certificates.values()].find(({ hosts }) => hosts.includes(serverName));
            if (found === undefined) throw new TerminalError("TLS_UNREACHABLE", `nobody answers as ${serverName}`);
            return { chainPem: [found.served.chainPem], protocol: "TLSv1.3" };
          },
          signal,
        ),
    },
    issuerOf: (spec) => ({
      name: "simulated authority",
      issue: (_spec, scope) =>
        process.call({
          label: `certificate ${spec.name} issue`,
          scope,
          ownHand: true,
          *parts() {
            yield ISSUE_MS;
            const one = certificateOf(spec);
            one.issued += 1;
            return issuedOf(one.papers.issued[Math.min(one.issued, one.papers.issued.length) - 1]!);
          },
        }),
    }),
    reloader: {
      reload: (spec, scope) =>
        process.call({
          label: `certificate ${spec.name} reload`,
          scope,
          ownHand: true,
          *parts() {
            const one = certificateOf(spec);
            if (one.key !== one.certificate) throw new TerminalError("CERTIFICATE_UNREADABLE", "the key is another's");
            one.served = one.certificate;
            world.changed("certificates", `${spec.name} is served`, originIn(scope));
            yield RELOAD_MS;
          },
        }),
    },
  };
}

function simulatedFiles(
  world: SimulatedWorld,
  process: SimulatedProcess,
  certificateOf: (spec: Pick<CertificateSpec, "name">) => SimulatedCertificate,
): CertificateFiles {
  const look = <T>(spec: CertificateSpec, what: string, from: (one: SimulatedCertificate) => T): Promise<T> =>
    process.read(`certificate ${spec.name} ${what}`, () => from(certificateOf(spec)));
  return {
    read: (spec) =>
      look(spec, "read", ({ papers, certificate, key }) => ({
        chainPem: [certificate.chainPem],
        keyPublicSha256: key.keyPublicSha256,
        keyMode: 0o600,
        caPem: [papers.caPem],
      })),
    replacedBy: (spec, turn) =>
      look(spec, "look", ({ kept, certificate }) => {
        const next = kept.get(turn)?.next ?? null;
        return next !== null && certificate === next;
      }),
    replace: (spec, { chainPem }, turn, scope) =>
      process.call({
        label: `certificate ${spec.name} replace`,
        scope,
        ownHand: true,
        *parts(): Parts<void> {
          const one = certificateOf(spec);
          const next = one.papers.issued.find((paper) => paper.chainPem === chainPem)!;
          const before = one.kept.get(turn) ?? { certificate: one.certificate, key: one.key, next: null };
          if (before.next !== null && before.next === one.certificate) return;
          one.kept.set(turn, before);
          yield WRITE_MS;
          before.next = next;
          yield WRITE_MS;
          one.key = next;
          world.changed("certificates", `${spec.name} has a new key`, originIn(scope));
          yield WRITE_MS;
          one.certificate = next;
          world.changed("certificates", `${spec.name} is replaced`, originIn(scope));
          yield WRITE_MS;
        },
      }),
    restore: (spec, turn, scope) =>
      process.call({
        label: `certificate ${spec.name} restore`,
        scope,
        ownHand: true,
        *parts(): Parts<boolean> {
          const one = certificateOf(spec);
          const before = one.kept.get(turn);
          if (before === undefined || before.next === null) return false;
          one.key = before.key;
          world.changed("certificates", `${spec.name} has its key back`, originIn(scope));
          yield WRITE_MS;
          one.certificate = before.certificate;
          world.changed("certificates", `${spec.name} is back`, originIn(scope));
          yield WRITE_MS;
          return true;
        },
      }),
  };
}
