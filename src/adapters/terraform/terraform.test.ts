import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import type { Json } from "../../json.ts";
import type { Operation, OperationReport, ReleaseRef } from "../../operation.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import {
  failureOf,
  named,
  runOperation,
  scratch,
  testCall,
  testRelease,
  testSystem,
} from "../../operations/checks/testing/fixtures.ts";
import { infrastructureOperations } from "../../operations/infrastructure/operations.ts";
import type { Terraform } from "../../operations/infrastructure/ports.ts";
import type { HostState, Probe, ServerState } from "../../operations/rollout/ports.ts";
import type { System } from "../../system/schema.ts";
import { processRunner } from "../process/runner.ts";
import { findBinary } from "./environment.ts";
import { readPlanJson } from "./plan-json.ts";
import { terraformCli } from "./terraform.ts";

const installed = findBinary(["terraform", "tofu"], process.env) !== null;
const real = { skip: !installed && "neither terraform nor tofu is installed" };

const HOST = `resource "terraform_data" "web" { input = "one" }\n`;
const SECRET = `resource "terraform_data" "key" { input = sensitive("hunter2-secret") }\n`;

interface World {
  readonly root: string;
  readonly system: System;
  readonly terraform: Terraform;
  readonly files: Map<string, Map<string, Uint8Array>>;
  readonly hosts: Map<string, Partial<HostState>>;
  readonly servers: Map<string, Partial<ServerState>>;
  readonly endpoints: (Probe & { readonly url: string })[];
  readonly operation: (name: string) => Operation;
  /** A release whose infrastructure folder is this one file. */
  release(version: string, digit: string, text: string): ReleaseRef;
}

function world(t: TestContext, options: { readonly binaries?: readonly string[] } = {}): World {
  const root = scratch(t);
  const binaries = [...(options.binaries ?? ["terraform", "tofu"])];
  const system = testSystem(root, { infrastructure: { workDir: path.join(root, "infra"), binaries } });
  const files = new Map<string, Map<string, Uint8Array>>();
  const terraform = terraformCli({
    clock: systemClock,
    processes: processRunner(systemClock),
    binaries,
    workDir: system.infrastructure.workDir,
    environment: process.env,
  });
  const hosts = new Map<string, Partial<HostState>>();
  const servers = new Map<string, Partial<ServerState>>();
  const endpoints: (Probe & { readonly url: string })[] = [
    { url: "https://api.sunnypayments.com/health", ok: true, status: 200, version: "2.0.0", latencyMs: 3, reason: "" },
  ];
  for (const { name } of system.hosts) {
    hosts.set(name, { service: "running", freeBytes: 1e10 });
    servers.set(name, { name, up: true, admin: "ready", check: "L7OK/200" });
  }
  const operations = infrastructureOperations({
    configuration: { files: async ({ id }) => files.get(id) ?? new Map() },
    terraform,
    fleet: {
      read: async (host) => {
        const state = hosts.get(host);
        if (state === undefined) throw new Error(`${host} does not answer`);
        return state as HostState;
      },
    },
    loadBalancer: { read: async () => [...servers.values()] as ServerState[] },
    publicEndpoint: { probe: async () => endpoints },
  });
  return {
    root,
    system,
    terraform,
    files,
    hosts,
    servers,
    endpoints,
    operation: (name) => named(operations, name),
    release(version, digit, text) {
      const release = testRelease(version, digit);
      files.set(release.id, new Map([["main.tf", Buffer.from(text)]]));
      return release;
    },
  };
}

/** Plan and apply as a deployment runs them, with its facts. */
async function deploy(
  made: World,
  release: ReleaseRef,
  previous: ReleaseRef | null,
  args: object = {},
): Promise<OperationReport> {
  const run = { system: made.system, release, previous, args };
  const facts = (await made
    .operation("terraform-plan")
    .observe?.(testCall(made.operation("terraform-plan"), run))) as Json;
  const planned = await runOperation(made.operation("terraform-plan"), { ...run, facts });
  return runOperation(made.operation("terraform-apply"), { ...run, facts, earlier: { "terraform-plan": planned } });
}

test("a release whose folder is the one of the active release changes nothing, on a machine without terraform", async (t) => {
  const made = world(t, { binaries: ["no-such-terraform"] });
  const [old, next] = [made.release("2.0.0", "a", HOST), made.release("2.1.0", "b", HOST)];
  const report = await deploy(made, next, old);
  assert.match(report.summary, /^Unchanged: the infrastructure is the one that is applied, sha256:[0-9a-f]{12}$/);
});

test("a release without the folder changes nothing", async (t) => {
  const made = world(t, { binaries: ["no-such-terraform"] });
  const report = await deploy(made, testRelease("2.1.0"), null);
  assert.equal(report.summary, "Unchanged: the release has no infrastructure folder");
});

test("changed infrastructure on a machine without the program is refused when the plan is made", async (t) => {
  const made = world(t, { binaries: ["no-such-terraform", "no-such-tofu"] });
  const [old, next] = [made.release("2.0.0", "a", HOST), made.release("2.1.0", "b", HOST.replace("one", "two"))];
  const operation = made.operation("terraform-plan");
  await assert.rejects(
    async () => operation.observe?.(testCall(operation, { system: made.system, release: next, previous: old })),
    {
      code: "TERRAFORM_MISSING",
      message: /2\.1\.0 changes the infrastructure .* none of no-such-terraform, no-such-tofu is on this machine/,
    },
  );
});

test("flags that would change what is planned are refused", (t) => {
  const { operation } = world(t);
  const { args } = operation("terraform-plan");
  assert.ok(args.safeParse({ _: ["-auto-approve", "-out", "plan.bin", "-input=false"] }).success);
  for (const flag of ["-target=terraform_data.web", "-destroy", "-var=a=b", "-chdir=/", "-replace=x"]) {
    assert.ok(!args.safeParse({ _: [flag] }).success, flag);
  }
});

test("a plan is saved, shown without secrets, applied, and recorded; then nothing is left to do", real, async (t) => {
  const made = world(t);
  const release = made.release("2.0.0", "a", HOST + SECRET);
  const run = { system: made.system, release };
  const context = new DirectContext(systemClock);
  const planned = await runOperation(made.operation("terraform-plan"), { ...run, context });
  assert.match(planned.summary, /planned 2 to create, 0 to change, 0 to destroy, 0 to replace/);
  const key = planned.findings?.find(({ subject }) => subject === "terraform_data.key");
  assert.match(key?.message ?? "", /^create: .*input: \(sensitive\)/);
  const everything =
    JSON.stringify([planned, context.output]) + readFileSync(path.join(made.root, "infra", "saved.json"), "utf8");
  assert.ok(!everything.includes("hunter2"));
  assert.equal(statSync(path.join(made.root, "infra")).mode & 0o777, 0o700);
  const applied = await runOperation(made.operation("terraform-apply"), {
    ...run,
    earlier: { "terraform-plan": planned },
  });
  assert.match(applied.summary, /applied the saved plan: 2 changes/);
  assert.equal((await made.terraform.applied())?.version, "2.0.0");
  const again = await deploy(made, release, null);
  assert.match(again.summary, /^Unchanged/);
});

test("an output that is known only after the apply is no obstacle", real, async (t) => {
  const made = world(t);
  const release = made.release("2.0.0", "a", `${HOST}output "web" { value = terraform_data.web.output }\n`);
  const report = await deploy(made, release, null);
  assert.match(report.summary, /applied the saved plan: 1 change/);
});

test("a plan is read with and without the values that its outputs have before and after", () => {
  const output = { actions: ["create"], before: null, after_unknown: true };
  const { resources, outputs } = readPlanJson(
    JSON.stringify({ resource_changes: [], output_changes: { web: output, gone: { actions: ["delete"] } } }),
  );
  assert.deepEqual(resources, []);
  assert.deepEqual(outputs, ["web", "gone"]);
});

test("a plan that destroys is refused by address, unless it was allowed by address", real, async (t) => {
  const made = world(t);
  const first = made.release("2.0.0", "a", HOST);
  await deploy(made, first, null);
  const second = made.release("2.1.0", "b", `resource "terraform_data" "other" {}\n`);
  const run = { system: made.system, release: second, previous: first };
  const refused = await failureOf(made.operation("terraform-plan"), run);
  assert.equal(refused.code, "TERRAFORM_REFUSED");
  assert.match(
    refused.message,
    /would delete terraform_data\.web; nothing was applied\. .*--allow-destroy=terraform_data\.web/,
  );
  const report = await deploy(made, second, first, { "allow-destroy": "terraform_data.web" });
  assert.match(report.summary, /2 changes/);
});

test("an apply without the plan of its run is refused as stale", real, async (t) => {
  const made = world(t);
  const release = made.release("2.0.0", "a", HOST);
  const run = { system: made.system, release };
  const none = await failureOf(made.operation("terraform-apply"), run);
  assert.match(none.message, /There is no saved plan to apply/);
  const planned = await runOperation(made.operation("terraform-plan"), run);
  await runOperation(made.operation("terraform-plan"), run);
  const other = { summary: "", data: { sha256: "0".repeat(64) } };
  const another = await failureOf(made.operation("terraform-apply"), { ...run, earlier: { "terraform-plan": other } });
  assert.equal(another.code, "TERRAFORM_PLAN_STALE");
  // Somebody writes to the saved plan.
  writeFileSync(path.join(made.root, "infra", "saved.tfplan"), "x");
  const altered = await failureOf(made.operation("terraform-apply"), {
    ...run,
    earlier: { "terraform-plan": planned },
  });
  assert.equal(altered.code, "TERRAFORM_PLAN_STALE");
});

test("a plan that another apply made stale is refused by the program, and named so", real, async (t) => {
  const made = world(t);
  const release = made.release("2.0.0", "a", HOST);
  const run = { system: made.system, release };
  const planned = await runOperation(made.operation("terraform-plan"), run);
  const scope = new DirectContext(systemClock).scope("other");
  // The same plan applied by hand, behind Sunny's back.
  const program = findBinary(["terraform", "tofu"], process.env) ?? "";
  const directory = path.join(made.root, "infra");
  await processRunner(systemClock).run(
    {
      argv: [program, "apply", "-input=false", path.join(directory, "saved.tfplan")],
      cwd: path.join(directory, "configuration"),
      env: { PATH: process.env["PATH"] ?? "" },
      deadlineMs: 60_000,
    },
    scope.signal,
  );
  const failure = await failureOf(made.operation("terraform-apply"), {
    ...run,
    earlier: { "terraform-plan": planned },
  });
  assert.equal(failure.code, "TERRAFORM_PLAN_STALE");
  assert.match(failure.message, /world changed since the plan was saved; nothing was applied/);
});

test("a configuration that is wrong fails with the program's own reason", real, async (t) => {
  const made = world(t);
  const release = made.release("2.0.0", "a", `resource "terraform_data" "web" { input = var.missing }\n`);
  const failure = await failureOf(made.operation("terraform-plan"), { system: made.system, release });
  assert.equal(failure.code, "TERRAFORM_FAILED");
  assert.match(failure.message, /Reference to undeclared input variable/);
});

test("a file that leads out of the folder is refused, and so is a state that a release brings along", async (t) => {
  const made = world(t);
  const scope = new DirectContext(systemClock).scope("plan");
  for (const name of ["../escape.tf", "terraform.tfstate", ".terraform/plugin"]) {
    await assert.rejects(
      made.terraform.plan(new Map([[name, Buffer.from("")]]), scope),
      /holds a file that may not be there/,
    );
  }
  assert.ok(!existsSync(path.join(made.root, "infra", "escape.tf")));
});

test("the way back applies the configuration before when that destroys nothing", real, async (t) => {
  const made = world(t);
  const first = made.release("2.0.0", "a", HOST);
  await deploy(made, first, null);
  const second = made.release("2.1.0", "b", HOST.replace("one", "two"));
  const run = { system: made.system, release: second, previous: first };
  const apply = made.operation("terraform-apply");
  const facts = (await apply.observe?.(testCall(apply, run))) as Json;
  assert.ok(apply.wayBack?.kind === "revert");
  const back = apply.wayBack.run;
  const untouched = await back(new DirectContext(systemClock), testCall(apply, { ...run, facts, mode: "rollback" }));
  assert.equal(untouched.summary, "Not needed: the infrastructure was not changed");
  await deploy(made, second, first);
  const report = await back(new DirectContext(systemClock), testCall(apply, { ...run, facts, mode: "rollback" }));
  assert.equal(report.summary, "The infrastructure of 2.0.0 is applied again");
  assert.equal((await made.terraform.applied())?.version, "2.0.0");
});

test("the way back keeps what it would have to destroy, and says what", real, async (t) => {
  const made = world(t);
  const first = made.release("2.0.0", "a", HOST);
  await deploy(made, first, null);
  const second = made.release("2.1.0", "b", `${HOST}resource "terraform_data" "queue" {}\n`);
  const run = { system: made.system, release: second, previous: first };
  const apply = made.operation("terraform-apply");
  const facts = (await apply.observe?.(testCall(apply, run))) as Json;
  await deploy(made, second, first);
  assert.ok(apply.wayBack?.kind === "revert");
  const report = await apply.wayBack.run(
    new DirectContext(systemClock),
    testCall(apply, { ...run, facts, mode: "rollback" }),
  );
  assert.equal(report.summary, "Kept: going back to the infrastructure of 2.0.0 would delete terraform_data.queue");
  assert.equal((await made.terraform.applied())?.version, "2.1.0");
});

test("verify-infrastructure passes when hosts, servers and endpoints are there, and says what it could not look at", async (t) => {
  const made = world(t, { binaries: ["no-such-terraform"] });
  const report = await runOperation(made.operation("verify-infrastructure"), { system: made.system });
  assert.match(report.findings?.at(-1)?.message ?? "", /not looked at: neither program of infrastructure\.binaries/);
});

const broken: [string, (made: World) => void, RegExp][] = [
  ["a host that does not answer", ({ hosts }) => hosts.delete("web-1"), /web-1: web-1 does not answer/],
  [
    "a stopped service",
    ({ hosts }) => hosts.set("web-2", { service: "stopped", freeBytes: 1e10 }),
    /web-2: reachable, and its service is stopped/,
  ],
  [
    "a full disk",
    ({ hosts }) => hosts.set("web-2", { service: "running", freeBytes: 1e6 }),
    /web-2: only 976\.6 KiB of disk left, at least 256\.0 MiB/,
  ],
  [
    "a server that is down",
    ({ servers }) => servers.set("web-1", { name: "web-1", up: false, check: "connect ECONNREFUSED" }),
    /server web-1: is down: connect ECONNREFUSED/,
  ],
  [
    "a server that was taken out of traffic",
    ({ servers }) => servers.set("web-1", { name: "web-1", up: true, admin: "drain", check: "L7OK/200" }),
    /server web-1: is set to drain/,
  ],
  [
    "a server that is missing",
    ({ servers }) => servers.delete("web-2"),
    /server web-2: the load balancer does not know it/,
  ],
  [
    "an endpoint with another certificate",
    ({ endpoints }) =>
      endpoints.splice(0, 1, {
        url: "https://api.sunnypayments.com/health",
        ok: false,
        status: 0,
        version: null,
        latencyMs: 0,
        reason: "self-signed certificate",
      }),
    /https:\/\/api\.sunnypayments\.com\/health: self-signed certificate/,
  ],
  [
    "an endpoint without TLS",
    ({ endpoints }) =>
      endpoints.splice(0, 1, {
        url: "http://api.sunnypayments.com/health",
        ok: true,
        status: 200,
        version: null,
        latencyMs: 0,
        reason: "",
      }),
    /is not reached over TLS/,
  ],
];
for (const [what, breakIt, message] of broken) {
  test(`verify-infrastructure finds ${what} and names it`, async (t) => {
    const made = world(t, { binaries: ["no-such-terraform"] });
    breakIt(made);
    const failure = await failureOf(made.operation("verify-infrastructure"), { system: made.system });
    assert.match(failure.message, /^1 of 6 checks failed: /);
    assert.match(failure.message, message);
  });
}

test("verify-infrastructure finds drift and names the resource", real, async (t) => {
  const made = world(t);
  await deploy(made, made.release("2.0.0", "a", HOST), null);
  await runOperation(made.operation("verify-infrastructure"), { system: made.system });
  // The resource is gone from the world: here the state is all the world there is.
  const file = path.join(made.root, "infra", "configuration", "terraform.tfstate");
  const state = JSON.parse(readFileSync(file, "utf8")) as { serial: number; resources: unknown[] };
  writeFileSync(file, JSON.stringify({ ...state, serial: state.serial + 1, resources: [] }));
  const failure = await failureOf(made.operation("verify-infrastructure"), { system: made.system });
  assert.match(failure.message, /drift: the world differs from the configuration: terraform_data\.web \(create\)/);
});
