import path from "node:path";
import { messageOf } from "../../errors.ts";
import type { HostSpec, System } from "../../system/schema.ts";
import { cardNumbers } from "./card-numbers.ts";
import type { FileFact, SecurityPorts } from "./ports.ts";
import { safe, weak, type Weakness } from "./severity.ts";

/** How much of each log file is looked through, from its end. */
const LOG_BYTES = 8 * 1024 * 1024;

/** Modes of private files and sockets, ports, and card numbers in the logs of one host. */
export async function hostChecks(
  ports: SecurityPorts,
  system: System,
  host: HostSpec,
  signal: AbortSignal,
): Promise<Weakness[]> {
  const { name, root } = host;
  const join = system.hosts.find((one) => one.name === name)?.connection.kind === "local" ? path.join : path.posix.join;
  const parts = await Promise.all([
    guarded(`files of ${name}`, signal, async () => {
      const paths = new Set(["shared/service.env", ...system.security.privateFiles].map((file) => join(root, file)));
      const facts = await ports.hosts.files(name, [...paths], signal);
      return facts.flatMap((fact) => fileFindings(`files of ${name}`, fact));
    }),
    guarded(`sockets of ${name}`, signal, async () => {
      const facts = await ports.hosts.sockets(name, root, signal);
      return facts.map((fact) => modeFinding(`sockets of ${name}`, fact));
    }),
    guarded(`ports of ${name}`, signal, () => portFindings(ports, system, host, signal)),
    guarded(`logs of ${name}`, signal, async () => {
      const tails = await ports.hosts.logTails(name, join(root, "shared", "log"), LOG_BYTES, signal);
      return Object.entries(tails).map(([file, text]) => logFinding(`logs of ${name}`, file, text));
    }),
  ]);
  return parts.flat();
}

/** Keys on the machine that Sunny runs on. */
export async function keyChecks({ localFiles }: SecurityPorts, system: System): Promise<Weakness[]> {
  const files = new Set<string>();
  for (const { keyFile, issuer } of system.certificates) {
    files.add(keyFile);
    if (issuer?.caKeyFile !== undefined) files.add(issuer.caKeyFile);
  }
  if (system.database.backupKeyFile !== undefined) files.add(system.database.backupKeyFile);
  if (files.size === 0) return [];
  const facts = await localFiles([...files]);
  return facts.flatMap((fact) => fileFindings("keys", fact));
}

async function portFindings(
  ports: SecurityPorts,
  system: System,
  host: HostSpec,
  signal: AbortSignal,
): Promise<Weakness[]> {
  const subject = `ports of ${host.name}`;
  const { pid } = await ports.fleet.read(host.name, signal);
  if (pid === null) return [safe(subject, "not looked at: the service does not run")];
  const listeners = await ports.hosts.listeners(host.name, pid, signal);
  if (listeners === null) return [safe(subject, "not looked at: this kind of host cannot tell")];
  const expected = new Set([host.port, ...system.security.publicPorts]);
  const found = listeners
    .filter(({ port }) => !expected.has(port))
    .map(({ address, port }) =>
      weak("high", subject, `the service listens on ${address}:${port}, which nobody configured`),
    );
  return found.length > 0
    ? found
    : [safe(subject, `the service listens on ${listeners.map(({ port }) => port).join(", ") || "nothing"} only`)];
}

function fileFindings(subject: string, fact: FileFact): Weakness[] {
  return fact.kind === "missing" ? [] : [modeFinding(subject, fact)];
}

function modeFinding(subject: string, { path: file, mode }: FileFact): Weakness {
  const octal = mode.toString(8).padStart(3, "0");
  if ((mode & 0o077) === 0) return safe(subject, `${file} is its owner's only, mode ${octal}`);
  return weak("high", subject, `${file} is open to others: mode ${octal}, 600 is asked for`);
}

function logFinding(subject: string, file: string, text: string): Weakness {
  const numbers = cardNumbers(text);
  if (numbers.length === 0) return safe(subject, `${file} holds no card number`);
  const endings = numbers.slice(0, 3).map((digits) => `…${digits.slice(-4)}`);
  return weak(
    "high",
    subject,
    `${file} holds ${numbers.length} card ${numbers.length === 1 ? "number" : "numbers"}, ending in ${endings.join(", ")}`,
  );
}

/** What cannot be looked at is a finding: a test that saw nothing has not passed. */
async function guarded(subject: string, signal: AbortSignal, look: () => Promise<Weakness[]>): Promise<Weakness[]> {
  try {
    return await look();
  } catch (error) {
    if (signal.aborted) throw error;
    return [weak("high", subject, `could not be looked at: ${messageOf(error)}`)];
  }
}
