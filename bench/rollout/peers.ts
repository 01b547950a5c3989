/** The same job, written for each of the other tools as somebody who knows it would. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { findProgram } from "../../test/support/programs.ts";
import type { BenchFleet } from "./fleet.ts";
import type { BenchRelease } from "./releases.ts";
import { workDir } from "./tool.ts";
import type { Tool } from "./tool.ts";

/** The tools that are installed here, and the names of those that are not. */
export function toolsHere(): { readonly tools: readonly Tool[]; readonly missing: readonly string[] } {
  const pyinfra = process.env["SUNNY_BENCH_PYINFRA"] ?? findProgram("pyinfra");
  const candidates: readonly (readonly [string, string | undefined, (program: string) => Tool["command"]])[] = [
    ["ssh", findProgram("ssh"), () => plainSsh],
    ["capistrano", findProgram("cap"), (program) => capistrano(program)],
    ["pyinfra", pyinfra, (program) => pyinfraDeploy(program)],
    // The slowest comes last: it gets what time is left.
    ["ansible", findProgram("ansible-playbook"), (program) => ansible(program)],
  ];
  const here = candidates.filter(([, program]) => program !== undefined && existsSync(program));
  return {
    tools: here.map(([name, program, make]) => ({ name, command: make(program ?? "") })),
    missing: candidates.filter((one) => !here.includes(one)).map(([name]) => name),
  };
}

/** What every tool does on a host once the archive is there; `$1` root, `$2` id, `$3` archive's digest. */
function hostSteps(archive: string, version: string, url: string): string {
  return [
    "set -e",
    `mkdir -p "$root/releases/.in-$id"`,
    `[ "$(sha256sum <${archive} | cut -d" " -f1)" = "$digest" ]`,
    `tar -xzf ${archive} -C "$root/releases/.in-$id"`,
    `rm -rf "$root/releases/$id"; mv "$root/releases/.in-$id" "$root/releases/$id"; rm -f ${archive}`,
    `ln -s "releases/$id" "$root/current.new"; mv -T "$root/current.new" "$root/current"`,
    `"$root/service" stop; "$root/service" start`,
    `n=0; until curl -sf ${url} | grep -q '"${version}"'; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.05; done`,
  ].join("\n");
}

const SSH = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"];

/** All at once, one connection a host, the script as the command and the archive on standard input. */
function plainSsh(fleet: BenchFleet, release: BenchRelease): { argv: string[] } {
  const dir = workDir(fleet, "ssh");
  const lines = fleet.hosts.map((host) => {
    const root = fleet.rootOf("ssh", host);
    const script = [
      `root=${root} id=${release.id} digest=${release.digest}`,
      `mkdir -p "$root/releases"; cat >"$root/archive"`,
      hostSteps('"$root/archive"', release.version, urlOf(fleet, host.address)),
    ].join("\n");
    const file = path.join(dir, `${host.name}.sh`);
    writeFileSync(file, script);
    const options = [
      ...SSH,
      "-o",
      `UserKnownHostsFile=${fleet.knownHosts}`,
      "-i",
      fleet.keyFile,
      "-p",
      String(host.port),
    ];
    return `ssh ${options.join(" ")} ${fleet.user}@${host.address} "$(cat ${file})" <${release.archive} &`;
  });
  const file = path.join(dir, "all.sh");
  writeFileSync(
    file,
    `${lines.join("\n")}\nfailed=0\nfor job in $(jobs -p); do wait $job || failed=1; done\nexit $failed\n`,
  );
  return { argv: ["bash", file] };
}

function ansible(program: string): Tool["command"] {
  return (fleet, release) => {
    const dir = workDir(fleet, "ansible");
    const hosts = fleet.hosts.map((host) => {
      const vars = { ansible_host: host.address, ansible_port: host.port, root: fleet.rootOf("ansible", host) };
      return `    ${host.name}: ${JSON.stringify(vars)}`;
    });
    writeFileSync(
      path.join(dir, "hosts.yml"),
      `all:\n  vars: {ansible_user: ${fleet.user}, ansible_python_interpreter: /usr/bin/python3}\n  hosts:\n${hosts.join("\n")}\n`,
    );
    writeFileSync(
      path.join(dir, "ansible.cfg"),
      [
        "[defaults]",
        "inventory = hosts.yml",
        "forks = 100",
        `private_key_file = ${fleet.keyFile}`,
        "gathering = explicit",
        "[ssh_connection]",
        "pipelining = True",
        `ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=${fleet.knownHosts}`,
        "",
      ].join("\n"),
    );
    const releaseDir = `{{ root }}/releases/${release.id}`;
    const play = [
      {
        hosts: "all",
        tasks: [
          { file: { path: releaseDir, state: "directory" } },
          { copy: { src: release.archive, dest: "{{ root }}/archive", checksum: sha1Of(release) } },
          { unarchive: { src: "{{ root }}/archive", dest: releaseDir, remote_src: true } },
          {
            shell: `ln -s releases/${release.id} current.new && mv -T current.new current && ./service stop && ./service start`,
            args: { chdir: "{{ root }}" },
          },
          {
            uri: { url: `http://{{ ansible_host }}:${fleet.servicePort}/health`, return_content: true },
            register: "health",
            until: `'"${release.version}"' in (health.content | default(""))`,
            retries: 100,
            delay: 1,
          },
        ],
      },
    ];
    writeFileSync(path.join(dir, "play.yml"), JSON.stringify(play));
    return { argv: [program, "play.yml"], env: { ANSIBLE_CONFIG: path.join(dir, "ansible.cfg"), ANSIBLE_HOME: dir } };
  };
}

function capistrano(program: string): Tool["command"] {
  return (fleet, release) => {
    const dir = workDir(fleet, "capistrano");
    mkdirSync(path.join(dir, "config", "deploy"), { recursive: true });
    const options = `{ keys: [${ruby(fleet.keyFile)}], user_known_hosts_file: ${ruby(fleet.knownHosts)}, verify_host_key: :always }`;
    writeFileSync(
      path.join(dir, "config", "deploy.rb"),
      `set :application, "api"\nset :ssh_options, ${options}\nset :format, :simpletext\nset :log_level, :error\n`,
    );
    const servers = fleet.hosts.map(
      (host) =>
        `server ${ruby(`${fleet.user}@${host.address}:${host.port}`)}, roles: [:app], root: ${ruby(fleet.rootOf("capistrano", host))}, address: ${ruby(host.address)}`,
    );
    writeFileSync(path.join(dir, "config", "deploy", "production.rb"), `${servers.join("\n")}\n`);
    const steps = hostSteps(
      '"$root/archive"',
      release.version,
      `http://#{host.properties.address}:${fleet.servicePort}/health`,
    );
    writeFileSync(
      path.join(dir, "Capfile"),
      [
        'require "capistrano/setup"',
        'require "capistrano/deploy"',
        "task :ship do",
        "  on roles(:app), in: :parallel do |host|",
        "    root = host.properties.root",
        `    upload! ${ruby(release.archive)}, "#{root}/archive"`,
        `    execute <<~STEPS`,
        `      root=#{root} id=${release.id} digest=${release.digest}`,
        ...steps.split("\n").map((line) => `      ${line.replaceAll("\\", "\\\\")}`),
        "    STEPS",
        "  end",
        "end",
        "",
      ].join("\n"),
    );
    return { argv: [program, "production", "ship"] };
  };
}

function pyinfraDeploy(program: string): Tool["command"] {
  return (fleet, release) => {
    const dir = workDir(fleet, "pyinfra");
    const hosts = fleet.hosts.map((host) => {
      const data = {
        ssh_hostname: host.address,
        ssh_port: host.port,
        ssh_user: fleet.user,
        ssh_key: fleet.keyFile,
        ssh_known_hosts_file: fleet.knownHosts,
        root: fleet.rootOf("pyinfra", host),
      };
      return `    (${JSON.stringify(host.name)}, ${JSON.stringify(data)}),`;
    });
    writeFileSync(path.join(dir, "inventory.py"), `hosts = [\n${hosts.join("\n")}\n]\n`);
    const steps = hostSteps('"$root/archive"', release.version, `http://ADDRESS:${fleet.servicePort}/health`);
    writeFileSync(
      path.join(dir, "deploy.py"),
      [
        "from pyinfra import host",
        "from pyinfra.operations import files, server",
        "root = host.data.root",
        `files.put(src=${JSON.stringify(release.archive)}, dest=root + "/archive")`,
        `steps = ${JSON.stringify(steps)}.replace("ADDRESS", host.data.ssh_hostname)`,
        `server.shell(commands=["root=" + root + " id=${release.id} digest=${release.digest}\\n" + steps])`,
        "",
      ].join("\n"),
    );
    return { argv: [program, "-y", "inventory.py", "deploy.py"] };
  };
}

function urlOf(fleet: BenchFleet, address: string): string {
  return `http://${address}:${fleet.servicePort}/health`;
}

function ruby(text: string): string {
  return JSON.stringify(text).replaceAll("#", String.raw`\#`);
}

/** What ansible's copy compares. */
function sha1Of(release: BenchRelease): string {
  return createHash("sha1").update(readFileSync(release.archive)).digest("hex");
}
