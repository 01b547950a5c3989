import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { ProcessRunner } from "../../operations/subprocess/ports.ts";
import type { System } from "../../system/schema.ts";

/**
 * Runs programs so that a `curl` among them, or in a script of theirs, goes where `endpoints` of the configuration leads,
 * as Sunny's own checks do: by a configuration file for curl below `directory`, which `CURL_HOME` names. Without endpoints
 * programs run as they would anyway.
 */
export function withCurlHome(
  processes: ProcessRunner,
  { directory, endpoints }: { readonly directory: string } & Pick<System, "endpoints">,
): ProcessRunner {
  if (Object.keys(endpoints).length === 0) return processes;
  return {
    async run(request, signal) {
      try {
        await writeCurlHome(directory, endpoints);
      } catch (error) {
        const message = `The endpoints of the configuration cannot be told to curl in ${directory}: ${messageOf(error)}`;
        throw new TerminalError("PROGRAM_NOT_STARTED", message);
      }
      return processes.run({ ...request, env: { CURL_HOME: directory, ...request.env } }, signal);
    },
  };
}

async function writeCurlHome(directory: string, endpoints: System["endpoints"]): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const authorities = Object.values(endpoints).flatMap(({ caFile }) => caFile ?? []);
  const lines = ["# Written by Sunny: the `endpoints` of its configuration."];
  for (const [base, { connect }] of Object.entries(endpoints)) {
    const { protocol, hostname, port } = new URL(base);
    const asked = `${hostname}:${port === "" ? (protocol === "https:" ? "443" : "80") : port}`;
    lines.push(`connect-to = ${quoted(`${asked}:${connect}`)}`);
  }
  if (authorities.length > 0) {
    const file = path.join(directory, "ca.pem");
    writeWhenNew(
      file,
      [...authorities.map((one) => readFileSync(one, "utf8")), ...(await usualAuthorities())].join("\n"),
    );
    lines.push(`cacert = ${quoted(file)}`);
  }
  writeWhenNew(path.join(directory, ".curlrc"), `${lines.join("\n")}\n`);
}

/** One file stands for all of curl's authorities, so those that it would trust anyway are in it as well. */
async function usualAuthorities(): Promise<readonly string[]> {
  const { getCACertificates } = await import("node:tls");
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}

/** A quoted value of curl's configuration files. */
function quoted(value: string): string {
  return `"${value.replaceAll(/[\\"]/g, String.raw`\$&`)}"`;
}

/** Whole or not at all, since another program may be reading it. */
function writeWhenNew(file: string, text: string): void {
  try {
    if (readFileSync(file, "utf8") === text) return;
  } catch {
    // It is not there yet.
  }
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, file);
}
