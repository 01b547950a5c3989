import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { lstatSync, readlinkSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { generateKey, parseSigner, parseVerifier, verifierOf } from "../audit/note.ts";
import { isSunnyError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import { diffReleases } from "./diff.ts";
import { extractRelease, readReleaseFiles } from "./extract.ts";
import { releaseRef } from "./manifest.ts";
import { packRelease } from "./pack.ts";
import type { PackOptions, PackedRelease } from "./pack.ts";
import { openReleaseStore } from "./store.ts";
import { verifyRelease } from "./verify.ts";

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);
const signer = parseSigner(generateKey("ci").signer);
const verifiers = [verifierOf(signer)];

function place(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-release-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes a directory: a text is a file, `→x` a symbolic link to x, `!` before a text makes it executable. */
function lay(directory: string, files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    if (text.startsWith("→")) symlinkSync(text.slice(1), file);
    else writeFileSync(file, text);
    if (text.startsWith("!")) chmodSync(file, 0o700);
  }
  return directory;
}

const SERVICE = {
  "main.js": "console.log('hello')\n",
  "bin/start": "!#!/bin/sh\nexec node main.js\n",
  "migrations/0001_initial.up.sql": "CREATE TABLE payments (id TEXT)",
  "migrations/0001_initial.down.sql": "DROP TABLE payments",
  "migrations/0002_more.up.sql": "SELECT 1",
  "infrastructure/main.tf": "# nothing\n",
  "release.json": '{"start":["node","main.js"]}',
};

function pack(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  options: Partial<PackOptions> = {},
): Promise<PackedRelease> {
  const root = place(t);
  const directory = lay(path.join(root, "source"), files);
  return packRelease({
    directory,
    out: path.join(root, "out"),
    name: "payments",
    version: "2.1.0",
    signers: [signer],
    ...options,
  });
}

const files = (packed: PackedRelease) => ({ archive: packed.archive, manifest: packed.manifestFile, verifiers });

describe("packing", () => {
  test("a release says everything about its files", async (t) => {
    const { manifest, archive, manifestFile } = await pack(t, SERVICE, { builtFrom: { commit: "abc123" } });
    assert.deepEqual(
      [path.basename(archive), path.basename(manifestFile)],
      ["payments-2.1.0.tar.gz", "payments-2.1.0.release"],
    );
    assert.deepEqual(
      manifest.files.map((file) => file.path),
      Object.keys(SERVICE).toSorted(),
    );
    assert.equal(manifest.files.find((file) => file.path === "bin/start")?.mode, 0o755);
    assert.equal(manifest.files.find((file) => file.path === "main.js")?.mode, 0o644);
    assert.deepEqual(manifest.start, ["node", "main.js"]);
    assert.deepEqual(
      manifest.migrations.map(({ id, down }) => [id, down === null]),
      [
        ["0001_initial", false],
        ["0002_more", true],
      ],
    );
    assert.equal(manifest.schema, "0002_more");
    assert.equal(manifest.infrastructure?.path, "infrastructure");
    assert.deepEqual(manifest.builtFrom, { commit: "abc123" });
    assert.equal(releaseRef(manifest).id, `2.1.0-${manifest.archive.sha256.slice(0, 12)}`);
    assert.match(readFileSync(manifestFile, "utf8"), /^\{"archive":.*\}\n\n— ci \S+\n$/);
  });

  test("the same files give the same bytes, whatever their times, modes and owner's umask", async (t) => {
    const first = await pack(t, SERVICE);
    const root = place(t);
    const directory = lay(root, Object.fromEntries(Object.entries(SERVICE).toReversed()));
    chmodSync(path.join(directory, "main.js"), 0o600);
    execFileSync("touch", ["-d", "2001-01-01", path.join(directory, "main.js")]);
    const second = await pack(t, {}, { directory });
    assert.deepEqual(readFileSync(second.archive), readFileSync(first.archive));
    assert.deepEqual(readFileSync(second.manifestFile), readFileSync(first.manifestFile));
  });

  test("other programs unpack the archive", async (t) => {
    const long = `${"deep/".repeat(30)}${"n".repeat(120)}.js`;
    const packed = await pack(t, { ...SERVICE, [long]: "long", "ünï.txt": "name", "to/link": "→../main.js" });
    const out = place(t);
    execFileSync("tar", ["xzf", packed.archive, "-C", out]);
    assert.equal(readFileSync(path.join(out, long), "utf8"), "long");
    assert.equal(readFileSync(path.join(out, "ünï.txt"), "utf8"), "name");
    assert.equal(readFileSync(path.join(out, "to/link"), "utf8"), SERVICE["main.js"]);
    await verifyRelease(files(packed));
  });

  const wrong: [string, Readonly<Record<string, string>>, Partial<PackOptions>, ErrorCode][] = [
    ["an empty directory", {}, { directory: "/nowhere-at-all" }, "RELEASE_SOURCE_INVALID"],
    ["an output inside of the source", SERVICE, { directory: ".", out: "./src" }, "RELEASE_SOURCE_INVALID"],
    ["a version that is a path", SERVICE, { version: "../2" }, "RELEASE_VERSION_INVALID"],
    ["two dots in a version", SERVICE, { version: "1..2" }, "RELEASE_VERSION_INVALID"],
    ["an empty version", SERVICE, { version: "" }, "RELEASE_VERSION_INVALID"],
    ["a name with a slash", SERVICE, { name: "a/b" }, "RELEASE_VERSION_INVALID"],
    ["another version in release.json", { "release.json": '{"version":"9.9.9"}' }, {}, "RELEASE_SOURCE_INVALID"],
    ["a slip in release.json", { "release.json": '{"strat":["node"]}' }, {}, "RELEASE_SOURCE_INVALID"],
    ["a release.json that is no JSON", { "release.json": "{" }, {}, "RELEASE_SOURCE_INVALID"],
    ["a migration with a slip in its name", { "migrations/0001_a.sql": "" }, {}, "RELEASE_SOURCE_INVALID"],
    ["a way back without its migration", { "migrations/0001_a.down.sql": "" }, {}, "RELEASE_SOURCE_INVALID"],
    ["one migration twice", { "migrations/1.up.sql": "", "migrations/1.up.js": "" }, {}, "RELEASE_SOURCE_INVALID"],
    ["paths that differ by case", { README: "", readme: "" }, {}, "RELEASE_PATH_DUPLICATE"],
    ["a link out of the release", { "a/b": "→../../c", c: "" }, {}, "RELEASE_LINK_ESCAPES"],
    ["a link to an absolute path", { a: "→/etc/passwd" }, {}, "RELEASE_LINK_ESCAPES"],
    ["a link to nothing", { a: "→b" }, {}, "RELEASE_LINK_ESCAPES"],
    ["a link through a link", { "d/x": "", "e/l": "→../d", f: "→e/l/../../outside" }, {}, "RELEASE_LINK_ESCAPES"],
    ["a name with a control character", { "a\nb": "" }, {}, "RELEASE_PATH_INVALID"],
  ];
  for (const [what, source, options, code] of wrong) {
    test(`${what} is refused`, async (t) => {
      await assert.rejects(pack(t, source, options), refused(code));
    });
  }

  test("a pipe is refused", async (t) => {
    const directory = lay(place(t), SERVICE);
    execFileSync("mkfifo", [path.join(directory, "pipe")]);
    await assert.rejects(pack(t, {}, { directory }), refused("RELEASE_SPECIAL_FILE"));
  });
});

describe("unpacking", () => {
  test("gives the files back, with modes and links", async (t) => {
    const packed = await pack(t, { ...SERVICE, "to/link": "→../main.js", empty: "" });
    const destination = path.join(place(t), "2.1.0");
    await extractRelease(await verifyRelease(files(packed)), destination);
    for (const file of packed.manifest.files) {
      const full = path.join(destination, file.path);
      if (file.link === undefined) assert.equal(lstatSync(full).mode & 0o777, file.mode, file.path);
      else assert.equal(readlinkSync(full), file.link);
    }
    assert.equal(readFileSync(path.join(destination, "bin/start"), "utf8"), SERVICE["bin/start"]);
    assert.deepEqual(readdirSync(path.dirname(destination)), ["2.1.0"]);
  });

  test("never writes over what is there", async (t) => {
    const release = await verifyRelease(files(await pack(t, SERVICE)));
    const destination = path.join(place(t), "2.1.0");
    await extractRelease(release, destination);
    await assert.rejects(extractRelease(release, destination), refused("RELEASE_DESTINATION_EXISTS"));
  });

  test("an archive exchanged after it was verified leaves nothing behind", async (t) => {
    const release = await verifyRelease(files(await pack(t, SERVICE)));
    const other = await pack(t, { ...SERVICE, "main.js": "evil\n" });
    writeFileSync(release.archive, readFileSync(other.archive));
    const root = place(t);
    await assert.rejects(extractRelease(release, path.join(root, "x")), (error) => isSunnyError(error));
    assert.deepEqual(readdirSync(root), []);
  });

  test("some files are read without unpacking the rest", async (t) => {
    const release = await verifyRelease(files(await pack(t, SERVICE)));
    const found = await readReleaseFiles(release, (file) => file.path.startsWith("migrations/"));
    assert.deepEqual(
      [...found.keys()],
      Object.keys(SERVICE)
        .filter((name) => name.startsWith("migrations/"))
        .toSorted(),
    );
    assert.equal(found.get("migrations/0002_more.up.sql")?.toString(), "SELECT 1");
    await assert.rejects(
      readReleaseFiles(release, () => true, 10),
      refused("RELEASE_TOO_LARGE"),
    );
  });
});

describe("the store", () => {
  test("takes releases in, finds them by version and id, and lists them in the order of versions", async (t) => {
    const directory = place(t);
    const store = openReleaseStore({ directory: path.join(directory, "store"), name: "payments", verifiers });
    assert.deepEqual(await store.list(), []);
    for (const version of ["2.10.0", "2.2.0", "2.2.0-rc.1"]) {
      const packed = await pack(t, { ...SERVICE, version }, { version });
      await store.add(packed.archive, packed.manifestFile);
      await store.add(packed.archive, packed.manifestFile);
    }
    assert.deepEqual(
      (await store.list()).map((one) => one.version),
      ["2.2.0-rc.1", "2.2.0", "2.10.0"],
    );
    const found = await store.find("2.2.0");
    assert.equal(found.manifest.version, "2.2.0");
    assert.equal((await store.find(releaseRef(found.manifest).id)).sha256, found.sha256);
    await assert.rejects(
      store.find("3.0.0"),
      (error) => refused("RELEASE_NOT_FOUND")(error) && /2\.2\.0-rc\.1/.test((error as { hint: string }).hint),
    );
    await assert.rejects(store.find("../2.2.0"), refused("RELEASE_VERSION_INVALID"));
    rmSync(path.join(directory, "store", "payments-2.10.0.release"));
    await assert.rejects(store.find("2.10.0"), {
      code: "RELEASE_NOT_FOUND",
      hint: /payments-2\.10\.0\.tar\.gz lies there without its signed manifest payments-2\.10\.0\.release/,
    });
  });

  test("what was packed into its directory is in it", async (t) => {
    const packed = await pack(t, SERVICE);
    const directory = path.dirname(packed.archive);
    const worker = { directory: lay(place(t), SERVICE), out: directory, name: "payments-worker", version: "1.0.0" };
    await packRelease({ ...worker, signers: [signer] });
    const store = openReleaseStore({ directory, name: "payments", verifiers });
    assert.deepEqual(
      (await store.list()).map((one) => one.version),
      ["2.1.0"],
    );
    assert.equal((await store.find("2.1.0")).manifest.name, "payments");
  });

  test("a version stands for one content", async (t) => {
    const [first, second] = [await pack(t, SERVICE), await pack(t, { ...SERVICE, more: "x" })];
    const store = openReleaseStore({ directory: path.dirname(first.archive), name: "payments", verifiers });
    await assert.rejects(store.add(second.archive, second.manifestFile), refused("RELEASE_VERSION_TAKEN"));
  });

  test("a release that was renamed, altered or signed by a stranger is listed with its problem and not found", async (t) => {
    const packed = await pack(t, SERVICE);
    const directory = path.dirname(packed.archive);
    const store = openReleaseStore({ directory, name: "payments", verifiers });
    for (const suffix of ["tar.gz", "release"]) {
      writeFileSync(
        path.join(directory, `payments-3.0.0.${suffix}`),
        readFileSync(path.join(directory, `payments-2.1.0.${suffix}`)),
      );
    }
    assert.equal((await store.list())[1]?.problem?.code, "RELEASE_MANIFEST_INVALID");
    await assert.rejects(store.find("3.0.0"), refused("RELEASE_MANIFEST_INVALID"));
    const bytes = readFileSync(packed.archive);
    bytes[30] = (bytes[30] as number) ^ 1;
    writeFileSync(packed.archive, bytes);
    const { sha256, size } = packed.manifest.archive;
    const altered = createHash("sha256").update(bytes).digest("hex");
    const archiveIs = (what: string) => ({
      code: "RELEASE_ARCHIVE_ALTERED",
      message: `${packed.archive} is not the archive that was signed: ${what}`,
    });
    await assert.rejects(store.find("2.1.0"), archiveIs(`its SHA-256 is ${altered} instead of ${sha256}`));
    const { id } = releaseRef(packed.manifest);
    truncateSync(packed.archive, size - 1);
    await assert.rejects(store.find("2.1.0"), archiveIs(`it has ${size - 1} bytes instead of ${size}`));
    // Whoever asks for it by id may have it from elsewhere, and is told why it is not had from here.
    for (const ask of [store.find, store.open]) {
      await assert.rejects(ask(id), (error: Error) => {
        assert.match(error.message, /; what lies there as 2\.1\.0 cannot be used: .*payments-2\.1\.0\.tar\.gz /);
        return isSunnyError(error, "RELEASE_NOT_FOUND") && error.details["unusable"] === "2.1.0";
      });
    }
    const strict = openReleaseStore({
      directory,
      name: "payments",
      verifiers: [parseVerifier(generateKey("ci").verifier)],
    });
    assert.equal((await strict.list())[0]?.problem?.code, "RELEASE_UNSIGNED");
  });
});

test("the difference of two releases names files, migrations and infrastructure", async (t) => {
  const from = await pack(t, SERVICE);
  const { "migrations/0001_initial.down.sql": _, ...rest } = SERVICE;
  const changed = {
    ...rest,
    "main.js": "changed",
    new: "",
    "migrations/0003_x.up.sql": "",
    "infrastructure/main.tf": "# more\n",
  };
  const to = await pack(t, changed);
  assert.deepEqual(diffReleases(from.manifest, to.manifest), {
    files: {
      added: ["migrations/0003_x.up.sql", "new"],
      removed: ["migrations/0001_initial.down.sql"],
      changed: ["infrastructure/main.tf", "main.js"],
    },
    migrations: { added: ["0003_x"], removed: [], changed: ["0001_initial"] },
    infrastructureChanged: true,
    schema: { from: "0002_more", to: "0003_x" },
    startChanged: false,
  });
  const same = diffReleases(from.manifest, from.manifest);
  assert.deepEqual([same.files.changed, same.infrastructureChanged], [[], false]);
});
