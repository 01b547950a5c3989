/** What a service may use, on hosts of several kinds: control groups are files, so any host can be set up as files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { usageScript } from "./script-read.ts";
import { serviceFunctions } from "./script-service.ts";
import { parseUsage } from "./usage.ts";

const skip = process.platform === "linux" ? false : "reads /proc";
const MB = 1024 * 1024;

interface HostFiles {
  /** Below /sys/fs/cgroup. */
  readonly groups: Readonly<Record<string, string>>;
  /** /proc/PID/cgroup of the service. */
  readonly membership: string;
  /** The control group that systemd names. */
  readonly unit?: string;
  /** Cpus_allowed_list of the service. */
  readonly processors?: string;
}

/** The script on such a host; the service is this process. */
function usageOn(t: TestContext, { groups, membership, unit, processors }: HostFiles): ReturnType<typeof parseUsage> {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-usage-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(groups)) {
    const file = path.join(dir, "cgroup", name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }
  writeFileSync(path.join(dir, "membership"), `${membership}\n`);
  writeFileSync(path.join(dir, "status"), `Name:\tnode\nCpus_allowed_list:\t${processors ?? "0-4095"}\n`);
  mkdirSync(path.join(dir, "bin"));
  writeFileSync(path.join(dir, "bin/systemctl"), `#!/bin/sh\necho '${unit ?? ""}'\n`, { mode: 0o755 });
  const status = ["printf", String(process.pid)];
  const service = serviceFunctions({ kind: "command", start: ["true"], stop: ["true"], status }, []);
  const script = usageScript({ root: dir, service }, unit === undefined ? null : { name: "api.service", user: false })
    .replaceAll("/sys/fs/cgroup", path.join(dir, "cgroup"))
    .replaceAll("/proc/$PID/cgroup", path.join(dir, "membership"))
    .replaceAll("/proc/$PID/status", path.join(dir, "status"));
  const env = { ...process.env, PATH: `${path.join(dir, "bin")}:${process.env["PATH"]}` };
  const ended = spawnSync("sh", ["-c", `sunny() {\n${script}\n}\nsunny`], { encoding: "utf8", env });
  assert.equal(ended.stderr, "");
  return parseUsage(ended.stdout);
}

test("without limits a service may use the machine, and its own part of it is its process's", { skip }, (t) => {
  const usage = usageOn(t, { groups: { "memory.max": "max", "cpu.max": "max 100000" }, membership: "0::/" });
  assert.ok(usage !== null && usage.cpuMs > 0);
  assert.ok(Math.abs(usage.rssBytes / process.memoryUsage.rss() - 1) < 0.5, `${usage.rssBytes}`);
  assert.equal(usage.cpus, availableParallelism());
  assert.ok(Math.abs(usage.limitBytes / totalmem() - 1) < 0.01);
});

test("a unit uses what its control group does, without files that can be dropped", { skip }, (t) => {
  const own = "system.slice/api.service";
  const usage = usageOn(t, {
    unit: `/${own}`,
    membership: `0::/${own}`,
    groups: {
      [`${own}/cpu.stat`]: "usage_usec 4500000\nuser_usec 1",
      [`${own}/memory.current`]: String(300 * MB),
      [`${own}/memory.stat`]: `anon ${100 * MB}\ninactive_file ${180 * MB}\nactive_file ${20 * MB}`,
      [`${own}/memory.max`]: String(400 * MB),
      [`${own}/cpu.max`]: "50000 100000",
    },
  });
  assert.ok(usage !== null);
  const { cpuMs, cpus, rssBytes, limitBytes } = usage;
  assert.deepEqual(
    { cpuMs, cpus, rssBytes, limitBytes },
    {
      cpuMs: 4500,
      cpus: 0.5,
      rssBytes: 120 * MB,
      limitBytes: 400 * MB,
    },
  );
});

test("the least limit of all groups around a service counts, unit or not", { skip }, (t) => {
  const usage = usageOn(t, {
    membership: "0::/kubepods/pod-1/api",
    groups: {
      "kubepods/pod-1/api/memory.max": "max",
      "kubepods/pod-1/api/cpu.max": "max 100000",
      "kubepods/pod-1/memory.max": String(256 * MB),
      "kubepods/memory.max": String(512 * MB),
      "kubepods/cpu.max": "75000 100000",
    },
  });
  assert.deepEqual([usage?.limitBytes, usage?.cpus], [256 * MB, 0.75]);
});

test("hosts with control groups of the first version limit as well", { skip }, (t) => {
  const usage = usageOn(t, {
    membership: "9:name=systemd:/\n4:memory:/docker/a:b\n3:cpu,cpuacct:/docker/a:b\n0::/",
    groups: {
      "memory/docker/a:b/memory.limit_in_bytes": "9223372036854771712",
      "memory/docker/memory.limit_in_bytes": String(128 * MB),
      "cpu/docker/a:b/cpu.cfs_quota_us": "-1",
      "cpu/docker/a:b/cpu.cfs_period_us": "100000",
      "cpu/docker/cpu.cfs_quota_us": "20000",
      "cpu/docker/cpu.cfs_period_us": "100000",
    },
  });
  assert.deepEqual([usage?.limitBytes, usage?.cpus], [128 * MB, 0.2]);
});

test("a service that is bound to processors may use those alone", { skip }, (t) => {
  const on = (processors: string): number | undefined =>
    usageOn(t, { membership: "0::/", groups: {}, processors })?.cpus;
  assert.equal(on("0"), 1);
  assert.equal(on("3,5"), Math.min(2, availableParallelism()));
  assert.equal(on("0-1,8-9"), Math.min(4, availableParallelism()));
});
