/** Faults that are there before a deployment to servers begins: nothing is touched, and people are told what it is. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { RemoteSystem } from "../support/remote/remote-system.ts";
import { type Fault, describeFaults } from "../support/remote/faults.ts";
import { powerOff, powerOn } from "../support/remote/power.ts";
import { makeKey } from "../support/sshd.ts";
import type { SystemConfig } from "../../src/system/schema.ts";

/** The known-hosts lines, with those of web-2 changed. */
function changeKeys(system: RemoteSystem, change: (line: string) => string): void {
  const { sshPort } = system.host("web-2");
  const lines = readFileSync(system.knownHostsFile, "utf8").split("\n");
  const changed = lines.map((line) => (line.includes(`]:${sshPort} `) ? change(line) : line));
  writeFileSync(system.knownHostsFile, changed.join("\n"));
}

function changeHost(system: RemoteSystem, change: Readonly<Record<string, unknown>>): void {
  system.changeConfig((config) => ({
    ...config,
    hosts: (config.hosts ?? []).map((host) => (host.name === "web-2" ? { ...host, ...change } : host)),
  }));
}

const anotherKey = (system: RemoteSystem): ReturnType<typeof makeKey> =>
  makeKey(path.join(system.directory, "ssh", "another"));

const socketAside = (system: RemoteSystem): string => `${system.haproxy.socket}.aside`;
const current = (system: RemoteSystem): string => path.join(system.host("web-2").root, "current");
let link = "";

const FAULTS: readonly Fault[] = [
  {
    name: "a host whose key nobody has pinned is refused",
    before: (system) => changeKeys(system, () => ""),
    ends: "refused",
    says: [/web-2 cannot be read: the key of \S+:\d+ is not in .*known_hosts; it shows ssh-ed25519 SHA256:/],
  },
  {
    name: "a host whose key has changed is refused",
    before: (system) => {
      const key = anotherKey(system).public.split(" ").slice(0, 2).join(" ");
      changeKeys(system, (line) => `${line.split(" ")[0]} ${key}`);
    },
    ends: "refused",
    says: [/web-2 cannot be read: the key of 127\.0\.0\.1 port \d+ is not the one in .*somebody is in between/],
  },
  {
    name: "a host that does not accept the key is refused",
    before: (system) => {
      const host = system.host("web-2");
      const connection = { kind: "ssh", address: "127.0.0.1", port: host.sshPort, user: host.sshd.user };
      const files = { knownHostsFile: system.knownHostsFile, identityFile: anotherKey(system).path };
      changeHost(system, { connection: { ...connection, ...files } });
    },
    ends: "refused",
    says: [/web-2 cannot be read: .*(Permission denied|does not accept)/i],
  },
  {
    name: "a host that is down is refused",
    before: (system) => powerOff(system.host("web-2")),
    ends: "refused",
    says: [/web-2 cannot be read: .*(refused|does not answer)/i, /Mend what keeps the host from being read/],
    versions: (old) => [old, "no answer"],
    servers: { "web-1": "ready 100 up", "web-2": "ready 100 down" },
    after: (system) => powerOn(system.host("web-2")),
  },
  {
    name: "a current that is a directory is refused and left alone",
    before: (system) => {
      link = readlinkSync(current(system));
      rmSync(current(system));
      mkdirSync(current(system));
    },
    ends: "refused",
    says: [/web-2 cannot be read: .*current is not a link/],
    after: (system) => {
      // Only an empty directory can be removed so: nothing was put into it.
      rmdirSync(current(system));
      symlinkSync(link, current(system));
    },
  },
  {
    name: "a host that the load balancer does not know is refused",
    before: (system) => changeHost(system, { name: "web-9" }),
    ends: "refused",
    says: [/SERVER_UNKNOWN {2}the load balancer has no server web-9; it has: web-1, web-2/],
  },
  {
    name: "a load balancer whose socket is gone is refused",
    before: (system) => renameSync(system.haproxy.socket, socketAside(system)),
    ends: "refused",
    says: [/LOAD_BALANCER_UNREACHABLE {2}ssh:lb-1:.*admin\.sock/],
    servers: null,
    after: (system) => renameSync(socketAside(system), system.haproxy.socket),
  },
  {
    name: "a load balancer whose socket takes no orders is refused",
    before: (system) => {
      const { lookSocket } = system.haproxy;
      system.changeConfig((config) => ({
        ...config,
        loadBalancer: { ...config.loadBalancer, sockets: [`ssh:lb-1:${lookSocket}`] } as SystemConfig["loadBalancer"],
      }));
    },
    ends: "refused",
    says: [/HAPROXY_COMMAND_FAILED {2}HAProxy at ssh:lb-1:.*look\.sock takes no orders: .* it needs `level admin`/],
  },
  {
    name: "an orchestrator with another state directory changes nothing, and is told whose the hosts are",
    before: (system) =>
      system.changeConfig((config) => ({
        ...config,
        stateDir: path.join(system.directory, "another-state"),
        checkpointCopyDir: path.join(system.directory, "another-copy"),
      })),
    ends: "refused",
    says: [/HOST_FENCED {2}web-1 belongs to authority \S+, web-2 belongs to authority \S+, this .*: .* `sunny adopt`/],
    check: (_system, { events }) => {
      const begun = events.filter((event) => ["deployment", "host", "step"].includes(String(event["event"])));
      assert.deepEqual(begun, []);
    },
  },
];

describeFaults("a deployment to servers that cannot begin", FAULTS);
