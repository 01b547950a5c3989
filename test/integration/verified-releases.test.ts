import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Fleet, StoredRelease } from "../../src/operations/rollout/ports.ts";
import type { Transport } from "../../src/operations/rollout/transport.ts";
import { without } from "../support/programs.ts";
import { scopeOf } from "./local-hosts.support.ts";
import { sshWorld } from "./ssh.support.ts";
import type { SshWorld } from "./ssh.support.ts";

const FILES = 30;

/** What is read of a release on a host, told by a `sha256sum` that notes its arguments. */
describe("releases that were verified on a host", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  let world: SshWorld;
  let releases: readonly [StoredRelease, StoredRelease, StoredRelease];
  let programs: string;
  before(async () => {
    world = await sshWorld(["shared", "touched", "moded", "added", "removed", "full", "blind", "pruned", "filled"]);
    programs = path.join(world.dir, "programs");
    mkdirSync(programs);
    const real = execFileSync("sh", ["-c", "command -v sha256sum"], { encoding: "utf8" }).trim();
    const noting = `#!/bin/sh\nfor one; do case $one in ./*) echo "$one" >>"$NOTED" ;; esac; done\nexec '${real}' "$@"\n`;
    writeFileSync(path.join(programs, "sha256sum"), noting, { mode: 0o755 });
    const files = Object.fromEntries(
      Array.from({ length: FILES }, (_, at) => [`lib/${at}.js`, randomBytes(2_000)] as const),
    );
    const release = (version: string, at: number): Promise<StoredRelease> =>
      world.release(version, { ...files, [`lib/${at}.js`]: randomBytes(2_000) });
    releases = [await release("1.0.0", 1), await release("1.1.0", 2), await release("1.2.0", 3)];
  });
  after(() => world.close());

  const file = (host: string, release: StoredRelease, name: string): string =>
    path.join(world.root(host), "releases", release.id, name);
  const noted = (host: string): string => path.join(world.dir, `noted-${host}`);
  const fleetOf = (host: string, releaseCheck: "recorded" | "full" = "recorded"): Fleet => {
    const transport: Transport = {
      run: (name, script, options) =>
        world.transport.run(
          name,
          `NOTED='${noted(host)}' PATH='${programs}':$PATH\nexport NOTED PATH\n${script}`,
          options,
        ),
    };
    return world.fleetOf({ transport, releaseCheck });
  };
  /** Installs a release and gives back which files were read for it, and whether all of it is right. */
  async function install(host: string, release: StoredRelease, fleet = fleetOf(host)): Promise<string[]> {
    rmSync(noted(host), { force: true });
    assert.deepEqual(await fleet.install(host, release, scopeOf(1, `${host}/${release.id}`)), { installed: true });
    const wrong = world.released(release).filter(({ name, content }) => {
      return !readFileSync(file(host, release, name)).equals(content);
    });
    assert.deepEqual(wrong, []);
    return existsSync(noted(host)) ? readFileSync(noted(host), "utf8").trim().split("\n") : [];
  }

  test("only what is new is read when nothing of the older release changed since it was verified", async () => {
    assert.deepEqual(await install("shared", releases[0]), []);
    // Linking its files is no change of them, nor is being linked to.
    for (const release of releases.slice(1)) {
      const read = await install("shared", release);
      assert.ok(read.length > 0 && read.length <= 5, read.join(" "));
      assert.equal(
        statSync(file("shared", release, "lib/9.js")).ino,
        statSync(file("shared", releases[0], "lib/9.js")).ino,
      );
    }
  });

  test("a file that was altered and given its old time again is found", async () => {
    await install("touched", releases[0]);
    const altered = file("touched", releases[0], "lib/7.js");
    const { atime, mtime } = statSync(altered);
    writeFileSync(altered, randomBytes(2_000));
    utimesSync(altered, atime, mtime);
    await install("touched", releases[1]);
    assert.notEqual(statSync(file("touched", releases[1], "lib/7.js")).ino, statSync(altered).ino);
  });

  const alterations: Readonly<Record<string, (host: string) => void>> = {
    moded: (host) => execFileSync("chmod", ["755", file(host, releases[0], "lib/7.js")]),
    added: (host) => writeFileSync(file(host, releases[0], "lib/more.js"), "more"),
    removed: (host) => rmSync(file(host, releases[0], "lib/7.js")),
  };
  for (const [host, alter] of Object.entries(alterations)) {
    test(`a release of which a file was ${host} is not built upon`, async () => {
      await install(host, releases[0]);
      alter(host);
      await install(host, releases[1]);
      const now = file(host, releases[1], "lib/7.js");
      assert.equal(statSync(now).mode & 0o111, 0);
      assert.equal(existsSync(file(host, releases[1], "lib/more.js")), false);
      assert.notEqual(
        statSync(file(host, releases[1], "lib/8.js")).ino,
        statSync(file(host, releases[0], "lib/8.js")).ino,
      );
    });
  }

  test("every file is read where the configuration asks for it, and where the host cannot tell", async () => {
    await install("full", releases[0]);
    assert.ok((await install("full", releases[1], fleetOf("full", "full"))).length >= FILES);
    await install("blind", releases[0]);
    writeFileSync(
      path.join(programs, "find"),
      `#!/bin/sh\ncase "$*" in *-cnewer*) echo "find: unrecognized: -cnewer"; exit 1 ;; esac\nexec /usr/bin/find "$@"\n`,
      { mode: 0o755 },
    );
    try {
      assert.ok((await install("blind", releases[1])).length >= FILES);
    } finally {
      rmSync(path.join(programs, "find"));
    }
  });

  test("removing an old release is no change of those that share files with it", async () => {
    const fleet = fleetOf("pruned");
    for (const release of releases.slice(0, 2)) await install("pruned", release, fleet);
    const order = { turn: "p", confirmWithinMs: null };
    await fleet.activate("pruned", releases[1].id, order, scopeOf(1, "p/activate"));
    const pruned = await fleet.prune("pruned", { keep: 1, protectedIds: [] }, scopeOf(1, "p/prune"));
    assert.deepEqual(pruned, { removed: [releases[0].id] });
    const read = await install("pruned", releases[2], fleet);
    assert.ok(read.length > 0 && read.length <= 5, read.join(" "));
  });

  test("a release that is altered while another one is removed is read again", async () => {
    const fleet = fleetOf("filled");
    for (const release of releases.slice(0, 2)) await install("filled", release, fleet);
    writeFileSync(file("filled", releases[1], "lib/7.js"), randomBytes(2_000));
    const order = { turn: "f", confirmWithinMs: null };
    await fleet.activate("filled", releases[1].id, order, scopeOf(1, "f/activate"));
    await fleet.prune("filled", { keep: 1, protectedIds: [] }, scopeOf(1, "f/prune"));
    await install("filled", releases[2], fleet);
  });
});
