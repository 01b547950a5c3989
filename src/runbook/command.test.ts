import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import type { Command } from "./model.ts";
import { PARAMETER_PATTERNS, argText, parameterKind, placeholdersOf } from "./parameter.ts";
import { parseRunbook } from "./parse.ts";

function commandOf(text: string): Command {
  const { runbook } = parseRunbook(`# T\n\n## Deploy\n\n\`\`\`bash\n${text}\n\`\`\`\n`, "x");
  const [step] = runbook.phases[0]?.steps ?? [];
  assert.ok(step !== undefined);
  return step.command;
}

describe("a command", () => {
  it("that is a relative path is a script, with its interpreter when one is named", () => {
    const script = { kind: "script", name: "migrate" };
    const args = [{ kind: "literal", value: "a b" }];
    assert.deepEqual(commandOf("./scripts/migrate.js 'a b'"), { ...script, path: "./scripts/migrate.js", args });
    assert.deepEqual(commandOf("bash ops/migrate.sh a\\ b"), {
      ...script,
      path: "ops/migrate.sh",
      args,
      interpreter: "bash",
    });
  });

  for (const text of [
    "/usr/bin/true x",
    "STAGE=a ./x.sh",
    "./x.sh > log",
    "./x.sh *.txt",
    "./x.sh $HOME",
    "./x.sh | cat",
    "sudo ./x.sh",
  ]) {
    it(`such as \`${text}\` is a subprocess`, () => assert.equal(commandOf(text).kind, "subprocess"));
  }

  it("that is a curl call with known options is a request", () => {
    assert.deepEqual(
      commandOf("curl -fsSL -X POST -H 'X-Id: 7' -d '{}' --max-time 5 --retry=2 -o /dev/null https://x.example/a"),
      {
        kind: "http",
        method: "POST",
        url: { kind: "literal", value: "https://x.example/a" },
        headers: [{ name: "X-Id", value: "7" }],
        body: "{}",
        timeoutMs: 5000,
        retries: 2,
        followRedirects: true,
        failFlag: true,
      },
    );
  });

  for (const options of [
    "--cacert ca.pem",
    "-u user",
    "-d @file",
    "-o out.json",
    "-k",
    "--proxy p",
    "https://other.example",
  ]) {
    it(`curl ${options} stays a subprocess, since Sunny does not do that itself`, () => {
      assert.equal(commandOf(`curl -f ${options} https://x.example/a`).kind, "subprocess");
    });
  }

  it("terraform has its directory and verb apart", () => {
    assert.deepEqual(commandOf("terraform -chdir=infra plan -input=false"), {
      kind: "terraform",
      program: "terraform",
      verb: "plan",
      directory: "infra",
      args: [{ kind: "literal", value: "-input=false" }],
    });
  });
});

describe("a placeholder", () => {
  it("inside a word keeps the text around it", () => {
    const command = commandOf("./x.sh app-<service>-<version>.tgz");
    assert.ok(command.kind === "script" && command.args[0] !== undefined);
    assert.equal(
      argText(command.args[0], (hole) => hole.parameter.toUpperCase()),
      "app-SERVICE-VERSION.tgz",
    );
    assert.deepEqual(
      placeholdersOf(command).map((one) => one.name),
      ["service", "version"],
    );
  });

  it(
    "arrives in a shell as one word, whatever it holds and however it is quoted",
    { skip: process.platform === "win32" ? "needs a POSIX shell" : false },
    () => {
      const value = `a b; $(touch /nowhere) \`id\` "'\\ *\n<c>`;
      for (const [text, expected] of [
        ["printf '[%s]' x<version>y 2>&1", `[x${value}y]`],
        [`printf '[%s]' "x<version>y" | cat`, `[x${value}y]`],
        ["printf '[%s]' 'x<version>y' | cat", `[x${value}y]`],
        ["cat <<EOF | cat\n<version>\nEOF", `${value}\n`],
        ["for one in <version>; do printf '[%s]' \"$one\"; done", `[${value}]`],
      ] as const) {
        const command = commandOf(text);
        assert.ok(command.kind === "subprocess");
        const env = { PATH: process.env["PATH"], SUNNY_VERSION: value };
        const { stdout, stderr } = spawnSync("sh", ["-euc", command.source], { env, encoding: "utf8" });
        assert.equal(stdout, expected, stderr);
      }
    },
  );

  it("takes values that no shell would split or expand, and no others", () => {
    for (const [name, good, bad] of [
      ["version", "v2.1.0-rc.1", "2.1.0; reboot"],
      ["previous-version", "2.0.0", "latest"],
      ["service-name", "settlement@1", "-rf"],
      ["environment", "production", "pro duction"],
      ["host", "web-1.internal", "$(id)"],
      ["anything", "a/b:c@d", "a'b"],
    ] as const) {
      const pattern = PARAMETER_PATTERNS[parameterKind(name)];
      assert.match(good, pattern);
      assert.doesNotMatch(bad, pattern);
      assert.doesNotMatch(`${good}\n`, pattern);
    }
  });
});
