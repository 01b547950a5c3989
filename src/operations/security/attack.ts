import { messageOf } from "../../errors.ts";
import type { OperationCall } from "../../operation.ts";
import { httpChecks } from "./http-checks.ts";
import { hostChecks, keyChecks } from "./inside-checks.ts";
import type { ProbeTarget, SecurityPorts } from "./ports.ts";
import { weak, type Weakness } from "./severity.ts";
import { tlsChecks } from "./tls-checks.ts";

/** Attacks every endpoint from outside, and looks at hosts and keys from inside. Changes nothing. */
export async function attack(
  ports: SecurityPorts,
  call: OperationCall<unknown>,
  signal: AbortSignal,
): Promise<Weakness[]> {
  const { system } = call;
  const targets = targetsOf(call);
  const found: Weakness[] = [];
  if (targets.length === 0) {
    found.push(weak("high", "endpoints", "none are configured under endpoints, so nothing was tried from outside"));
  }
  // One after the other: what one attack breaks must not be blamed on another.
  for (const target of targets) found.push(...(await outside(ports, target, system.health.path, signal)));
  const hosts = await Promise.all(system.hosts.map((host) => hostChecks(ports, system, host, signal)));
  return [...found, ...hosts.flat(), ...(await keyChecks(ports, system))];
}

async function outside(
  ports: SecurityPorts,
  target: ProbeTarget,
  healthPath: string,
  signal: AbortSignal,
): Promise<Weakness[]> {
  try {
    const tls = target.tls
      ? await tlsChecks(ports.probes, target, signal)
      : [weak("high", `TLS of ${target.serverName}`, "the endpoint is not served over TLS")];
    return [...tls, ...(await httpChecks(ports.probes, target, healthPath, signal))];
  } catch (error) {
    if (signal.aborted) throw error;
    return [weak("high", target.serverName, `could not be tried: ${messageOf(error)}`)];
  }
}

function targetsOf({ system }: OperationCall<unknown>): ProbeTarget[] {
  return Object.entries(system.endpoints).map(([key, { connect, caFile }]) => {
    const url = new URL(key);
    return {
      connect,
      serverName: url.hostname,
      tls: url.protocol === "https:",
      ...(caFile === undefined ? {} : { caFile }),
    };
  });
}
