import assert from "node:assert/strict";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, ROOT } from "../support/e2e/sunny.ts";

/** The plan was made with a good archive; a step of the deployment, before the rollout, stands for what damages it. */
describe("an archive that is damaged while its deployment is under way", () => {
  let system: DemoSystem;

  before(async () => {
    const releases = ["2.1.0", "2.1.1", "2.1.2"].map((version) => ({ variant: "good", version }) as const);
    system = await startDemoSystem({ releases, rate: 20, runbook: "tasks.md" });
    mkdirSync(path.join(system.directory, "scripts"));
    script("look.sh", "true");
  });
  after(() => system.stop());

  function script(name: string, text: string): void {
    const file = path.join(system.directory, "scripts", name);
    writeFileSync(file, `#!/bin/sh\nset -eu\n${text}\n`);
    chmodSync(file, 0o755);
  }

  const damages: readonly [string, string, (archive: string) => string, (bytes: number) => RegExp][] = [
    [
      "2.1.0",
      "altered in its middle",
      (archive) =>
        `printf damaged | dd of='${archive}' bs=1 seek=${Math.floor(statSync(archive).size / 2)} conv=notrunc 2>/dev/null`,
      () =>
        /^web-1: \S+\/payments-2\.1\.0\.tar\.gz is not the archive that was signed: its SHA-256 is [0-9a-f]{64} instead of/,
    ],
    [
      "2.1.1",
      "cut off in its middle",
      (archive) =>
        `head -c ${Math.floor(statSync(archive).size / 2)} '${archive}' >'${archive}.cut'; mv '${archive}.cut' '${archive}'`,
      (bytes) =>
        new RegExp(
          String.raw`^web-1: .* \S+/payments-2\.1\.1\.tar\.gz is not the archive that was signed: it has ${Math.floor(bytes / 2)} bytes instead of ${bytes}`,
        ),
    ],
  ];
  for (const [version, what, damage, reason] of damages) {
    it(`${what}: the deployment goes back and says what is wrong with it`, async () => {
      const { archive } = system.environment.releases.get(version) ?? assert.fail();
      const { size } = statSync(archive);
      script("tasks.sh", damage(archive));
      const ended = await system.sunny(["deploy", "--release", version]);
      const told = `${ended.stdout}\n${ended.stderr}`;
      assertEventLines(ended);
      assert.equal(ended.summary["outcome"], "rolled-back", told);
      assert.equal(ended.status, 3, told);
      assert.match(String(ended.summary["reason"]), reason(size));
      assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
    });
  }

  it("cut off in its middle once another release is in place: the hosts go back to what they have of it", async () => {
    const { archive } = system.environment.releases.get("2.0.0") ?? assert.fail();
    const cut = `head -c 100 '${archive}' >'${archive}.cut'; mv '${archive}.cut' '${archive}'`;
    script("tasks.sh", `'${path.join(ROOT, "scripts/migrate.js")}' --env production\n${cut}`);
    const ended = await system.sunny(["deploy", "--release", "2.1.2"]);
    assert.equal(ended.status, 0, `${ended.stdout}\n${ended.stderr}`);
    assert.deepEqual(await system.versions(), ["2.1.2", "2.1.2"]);
    const back = await system.sunny(["rollback", "--version", "2.0.0"]);
    assert.equal(back.status, 0, `${back.stdout}\n${back.stderr}`);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });

  it("customers noticed nothing", async () => {
    const seen = await (system.load ?? assert.fail()).summary();
    assert.deepEqual(Object.keys(seen.byVersion).toSorted(), ["2.0.0", "2.1.2"]);
    assert.deepEqual(
      Object.values(seen.byVersion).map(({ failed }) => failed),
      [0, 0],
    );
  });
});
