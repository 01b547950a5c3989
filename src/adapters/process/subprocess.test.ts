import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, watch, writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock, type Clock } from "../../clock.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { failureOf, named, runOperation, scratch, testSystem } from "../../operations/checks/testing/fixtures.ts";
import { sha256 } from "../../json.ts";
import { subprocessOperations } from "../../operations/subprocess/operations.ts";
import type { System } from "../../system/schema.ts";
import { passedEnvironment, shellOf } from "./environment.ts";
import { processRunner } from "./runner.ts";

const runner = processRunner(systemClock);
const environment = { PATH: process.env["PATH"] ?? "", HOME: "/nowhere" };
const operation = named(
  subprocessOperations({ processes: runner, environment, shell: shellOf(environment) }),
  "subprocess",
);

function place(t: TestContext): { root: string; system: System } {
  const root = scratch(t);
  return { root, system: testSystem(root, { runbook: path.join(root, "RUNBOOK.md") }) };
}

/** Waits for a file that another process writes. */
async function appears(file: string): Promise<string> {
  const watcher = watch(path.dirname(file));
  try {
    while (!existsSync(file) || readFileSync(file, "utf8").trim() === "") await once(watcher, "change");
    return readFileSync(file, "utf8").trim();
  } finally {
    watcher.close();
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

async function gone(pid: number): Promise<void> {
  while (alive(pid)) await new Promise((resolve) => void systemClock.timer(10, () => resolve(undefined)));
}

test("a command runs in the runbook's folder with a small environment, and its output is logged", async (t) => {
  const { root, system } = place(t);
  const context = new DirectContext(systemClock);
  const args = {
    source: 'pwd; env | cut -d= -f1 | sort | tr "\\n" " "; echo; echo "$VERSION"',
    variables: { VERSION: "2.0.0; rm -rf /" },
  };
  const report = await runOperation(operation, { system, args, context });
  assert.equal(report.summary, "command: done");
  const output = context.output.join("");
  assert.ok(output.includes(root));
  assert.ok(output.includes("2.0.0; rm -rf /\n"), "a value is never read as shell");
  const names = output.split("\n").find((line) => line.includes("HOME")) ?? "";
  assert.deepEqual(
    names
      .trim()
      .split(" ")
      .filter((name) => !["_", "PWD", "SHLVL", "OLDPWD"].includes(name)),
    ["HOME", "PATH", "VERSION"],
  );
});

test("arguments reach a program as they are, without a shell", async (t) => {
  const { root, system } = place(t);
  const script = path.join(root, "show");
  writeFileSync(script, '#!/bin/sh\nprintf "%s|" "$@"\n');
  chmodSync(script, 0o755);
  const context = new DirectContext(systemClock);
  await runOperation(operation, { system, args: { argv: ["./show", "a b", "$(id)", "*", ""] }, context });
  assert.equal(context.output.join(""), "a b|$(id)|*||");
});

for (const [what, source] of [
  ["in the middle of a block", "echo one\nfalse\necho two"],
  ["between semicolons", "echo one; false; echo two"],
  ["inside a pipe", "false | cat"],
  ["by an unset variable", 'echo "$NOT_SET"'],
] as const) {
  test(`a failure ${what} fails the step`, async (t) => {
    const { system } = place(t);
    const context = new DirectContext(systemClock);
    const failure = await failureOf(operation, { system, args: { source }, context });
    assert.equal(failure.code, "SUBPROCESS_FAILED");
    assert.ok(!context.output.join("").includes("two"));
  });
}

test("a failure names command, status and the last words, card numbers out", async (t) => {
  const { system } = place(t);
  const failure = await failureOf(operation, { system, args: { source: "echo 'no 4242424242424242' >&2; exit 7" } });
  assert.match(failure.message, /ended with exit status 7: no \[card number\]$/);
});

test("a program that is missing or not executable was certainly not started", async (t) => {
  const { root, system } = place(t);
  for (const name of ["./missing", "no-such-program"]) {
    const failure = await failureOf(operation, { system, args: { argv: [name] } });
    assert.equal(failure.code, "PROGRAM_NOT_STARTED");
    assert.match(failure.message, new RegExp(`${name} was not started`));
  }
  writeFileSync(path.join(root, "plain"), "");
  assert.equal((await failureOf(operation, { system, args: { argv: ["./plain"] } })).code, "PROGRAM_NOT_STARTED");
});

test("standard input is empty, so that nothing waits for a person", async (t) => {
  const { system } = place(t);
  await runOperation(operation, { system, args: { source: 'test -z "$(cat)"' } });
});

test("at its deadline a command is ended with everything that it started", async (t) => {
  const { root, system } = place(t);
  const timeoutMs = 654_321;
  // Its time is over once it has started something, and not before.
  const pid = appears(path.join(root, "pid"));
  const timer: Clock["timer"] = (ms, fn, how) => {
    if (ms !== timeoutMs) return systemClock.timer(ms, fn, how);
    void pid.then(fn);
    return () => {};
  };
  const processes = processRunner({ ...systemClock, timer });
  const timed = named(subprocessOperations({ processes, environment, shell: shellOf(environment) }), "subprocess");
  const source = `sleep 600 & echo $! > pid; wait`;
  const failure = await failureOf(timed, { system, args: { source, timeoutMs } });
  assert.equal(failure.code, "STEP_FAILED", "an unknown outcome, not a failure that is known");
  assert.match(failure.message, /did not end within 654321 ms and was ended/);
  await gone(Number(await pid));
});

test("what a command leaves in the background is ended with it", async (t) => {
  const { root, system } = place(t);
  await runOperation(operation, { system, args: { source: "sleep 600 & echo $! > pid" } });
  await gone(Number(readFileSync(path.join(root, "pid"), "utf8")));
});

test("an abort ends the group, and the result says so", async (t) => {
  const root = scratch(t);
  const controller = new AbortController();
  const running = runner.run(
    { argv: ["/bin/sh", "-c", "echo $$ > pid; exec sleep 600"], cwd: root, env: environment, deadlineMs: 60_000 },
    controller.signal,
  );
  const pid = Number(await appears(path.join(root, "pid")));
  controller.abort();
  assert.equal((await running).ended, "aborted");
  await gone(pid);
});

test("when the process that runs Sunny is killed, the command's group is ended by its watchdog", async (t) => {
  const root = scratch(t);
  const program = `import { processRunner } from ${JSON.stringify(path.join(import.meta.dirname, "runner.ts"))};
import { systemClock } from ${JSON.stringify(path.resolve(import.meta.dirname, "../../clock.ts"))};
await processRunner(systemClock).run({ argv: ["/bin/sh", "-c", "sleep 600 & echo $! > pid; wait"], cwd: ${JSON.stringify(root)}, env: { PATH: process.env.PATH }, deadlineMs: 600_000 });`;
  writeFileSync(path.join(root, "run.mts"), program);
  const parent = spawn(process.execPath, [path.join(root, "run.mts")], { stdio: "inherit" });
  const pid = Number(await appears(path.join(root, "pid")));
  assert.ok(alive(pid));
  parent.kill("SIGKILL");
  await gone(pid);
});

test("an idempotent command may be tried again, any other runs once", async (t) => {
  const { root, system } = place(t);
  const source = 'echo x >> tries; test "$(wc -l < tries)" -ge 3';
  await runOperation(operation, { system, args: { source, disposition: "idempotent", maxAttempts: 3 } });
  assert.equal(readFileSync(path.join(root, "tries"), "utf8"), "x\nx\nx\n");
  writeFileSync(path.join(root, "tries"), "");
  await failureOf(operation, { system, args: { source, disposition: "manual", maxAttempts: 3 } });
  assert.equal(readFileSync(path.join(root, "tries"), "utf8"), "x\n");
});

test("only harmless variables are passed on", () => {
  const passed = passedEnvironment({
    PATH: "/bin",
    AWS_SECRET_ACCESS_KEY: "x",
    LANG: "",
    HOME: "/h",
    LD_PRELOAD: "/evil",
  });
  assert.deepEqual(passed, { PATH: "/bin", HOME: "/h" });
});

test("where there is no bash, sh runs the command and still stops at the first failure", async (t) => {
  const { system } = place(t);
  const shell = shellOf({ PATH: "/nowhere" });
  assert.deepEqual(shell, ["/bin/sh", "-eu", "-c"]);
  const plain = named(subprocessOperations({ processes: runner, environment, shell }), "subprocess");
  await failureOf(plain, { system, args: { source: "false; true" } });
});

test("a daemon that keeps the output of a command open does not keep the step from ending", async (t) => {
  const { root, system } = place(t);
  const script = path.join(root, "start.mjs");
  const spawned = `spawn("sleep", ["30"], { detached: true, stdio: ["ignore", "inherit", "inherit"] })`;
  writeFileSync(
    script,
    `import { spawn } from "node:child_process";\nconst child = ${spawned};\nchild.unref();\nconsole.log(child.pid);\n`,
  );
  const context = new DirectContext(systemClock);
  const report = await runOperation(operation, { system, args: { argv: [process.execPath, script] }, context });
  assert.equal(report.summary, "command: done");
  const [pid = "", ...rest] = context.output.join("").trim().split("\n");
  process.kill(Number(pid), "SIGKILL");
  assert.match(rest.join(" "), /outside of its process group still holds its output/);
});

test("a script that was edited after its plan was made is not started", async (t) => {
  const { root, system } = place(t);
  const file = path.join(root, "go");
  writeFileSync(file, "#!/bin/sh\ntouch was-run\n");
  chmodSync(file, 0o755);
  const args = { argv: [file], script: { file, sha256: sha256(readFileSync(file)) } };
  writeFileSync(file, "#!/bin/sh\ntouch was-run # edited\n");
  const error = await failureOf(operation, { system, args, context: new DirectContext(systemClock) });
  assert.equal(error.code, "SCRIPT_CHANGED");
  assert.equal(existsSync(path.join(root, "was-run")), false);
});

test("a program reads its scope from a descriptor that its children inherit, and from nowhere else", async (t) => {
  const { root } = place(t);
  // Shells other than bash take a variable as a descriptor only after eval.
  const script = `
    eval "cat <&$SUNNY_SCOPE_FD"
    sh -c 'readlink /proc/self/fd/$SUNNY_SCOPE_FD || echo "no /proc"'
    env | grep -c "the secret" || true`;
  const result = await runner.run({
    argv: ["sh", "-c", script],
    cwd: root,
    env: environment,
    deadlineMs: 10_000,
    scope: "the secret",
  });
  const [text, link = "", inEnvironment] = result.stdout.trim().split("\n");
  assert.equal(text, "the secret", result.stderr);
  assert.match(link, / \(deleted\)$|^no \/proc$/);
  assert.equal(inEnvironment, "0");
});

test("a program without a scope has neither the variable nor the descriptor", async (t) => {
  const { root } = place(t);
  const argv = ["sh", "-c", 'echo "${SUNNY_SCOPE_FD-none}"; (: <&4) 2>/dev/null && echo open || echo closed'] as const;
  const result = await runner.run({ argv, cwd: root, env: environment, deadlineMs: 10_000 });
  assert.equal(result.stdout, "none\nclosed\n");
});

test("the leader of a program's process group is named as soon as it runs", async (t) => {
  const { root } = place(t);
  const leaders: number[] = [];
  const request = { argv: ["sh", "-c", "echo $$"] as const, cwd: root, env: environment, deadlineMs: 10_000 };
  const result = await runner.run({ ...request, onStarted: ({ pid }) => void leaders.push(pid) });
  assert.deepEqual(leaders, [Number(result.stdout)]);
});
