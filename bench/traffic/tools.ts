/** The same rolling deployment by Sunny, and by the scripts that people write instead. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { releaseRef } from "../../src/release/manifest.ts";
import { findProgram } from "../../test/support/programs.ts";
import type { RemoteHost, RemoteSystem } from "../../test/support/remote/remote-system.ts";

export interface Tool {
  readonly name: string;
  /** Deploys a release of the store; rejects when the tool says that it failed. */
  deploy(version: string): Promise<void>;
}

/**
 * Whoever deploys has a machine of their own, with its own processors; here all share two. So every tool gives way to the
 * customers and the hosts; what it does on the hosts runs under their SSH servers and does not.
 */
const GIVING_WAY = [...(findProgram("chrt") === undefined ? [] : ["chrt", "-o", "0"]), "nice", "-n", "5"];

/** How long the drain of the shell script waits: longer than any request takes, as its author knows. */
const DRAIN_SECONDS = 35;

export function sunny(system: RemoteSystem): Tool {
  return {
    name: "sunny",
    async deploy(version) {
      const ended = await system.sunny(["deploy", "--release", version], { prefix: GIVING_WAY });
      if (ended.status !== 0) throw new Error(`sunny deploy ended with ${ended.status}: ${ended.stderr}`);
    },
  };
}

/** One host after the other, five seconds apart: link, stop, start. What capistrano's `in: :sequence, wait: 5` does. */
export function restartScript(system: RemoteSystem): Tool {
  return scripted(system, "restart", (version) => {
    const id = idOf(system, version);
    const each = system.hosts.map((host) =>
      onHost(system, host, `cd ${host.root} && ln -sfn releases/${id} current && ./service stop && ./service start`),
    );
    return ["set -e", each.join("\nsleep 5\n")].join("\n");
  });
}

/** The same by somebody who knows HAProxy: drain, wait, switch in one rename, see it healthy, back into traffic. */
export function drainScript(system: RemoteSystem): Tool {
  const socket = system.haproxy.socket;
  return scripted(system, "drain-and-restart", (version) => {
    const id = idOf(system, version);
    const lines = system.hosts.flatMap((host) => [
      `say "set server be/${host.name} state drain"`,
      `left=${DRAIN_SECONDS * 2}; while busy ${host.name} && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.5; done`,
      `say "shutdown sessions server be/${host.name}"`,
      onHost(
        system,
        host,
        `cd ${host.root} && ln -s releases/${id} current.new && mv -T current.new current && ./service stop && ./service start; ` +
          `n=0; until curl -sf http://127.0.0.1:${host.port}/health | grep -q ${version}; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done`,
      ),
      `until say "show stat be 4 -1" | grep "^be,${host.name}," | grep -q L7OK; do sleep 0.2; done`,
      `say "set server be/${host.name} state ready"`,
    ]);
    return [
      "set -e",
      // HAProxy's socket is on this machine here, which spares the script a connection.
      `say() { printf '%s\\n' "$1" | perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un($ARGV[0])) or die; select((select(S), $| = 1)[0]); print S <STDIN>; print while <S>' ${socket}; }`,
      // Current sessions are the fifth column.
      `busy() { [ "$(say "show stat be 4 -1" | grep "^be,$1," | cut -d, -f5)" != 0 ]; }`,
      ...lines,
    ].join("\n");
  });
}

function scripted(system: RemoteSystem, name: string, text: (version: string) => string): Tool {
  const dir = path.join(system.directory, "tools");
  mkdirSync(dir, { recursive: true });
  return {
    name,
    async deploy(version) {
      const file = path.join(dir, `${name}.sh`);
      writeFileSync(file, `${text(version)}\n`);
      const child = spawn("sh", ["-c", 'exec "$@"', "sh", ...GIVING_WAY, "bash", file], {
        stdio: ["ignore", "ignore", "pipe"],
        env: process.env,
      });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (some: string) => (said += some));
      const [status] = (await once(child, "close")) as [number | null];
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${said}`);
    },
  };
}

function onHost({ keyFile, knownHostsFile }: RemoteSystem, { sshd }: RemoteHost, command: string): string {
  const options = `-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${knownHostsFile} -i ${keyFile}`;
  return `ssh ${options} -p ${sshd.port} ${sshd.user}@127.0.0.1 '${command}'`;
}

/** Its directory on the hosts, where every release lies already: scripts need not bring it. */
function idOf({ environment }: RemoteSystem, version: string): string {
  const found = environment.releases.get(version);
  if (found === undefined) throw new Error(`there is no release ${version}`);
  return releaseRef(found.manifest).id;
}
