import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import * as tar from "tar";
import { generateKey, parseSigner, signNote, verifierOf } from "../audit/note.ts";
import { isSunnyError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import { canonicalJson, sha256 } from "../json.ts";
import { extractRelease } from "./extract.ts";
import { contentDigest, signManifest } from "./manifest.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";
import { libraryHeader, paddingOf } from "./tar-stream.ts";
import { openRelease, verifyRelease } from "./verify.ts";
import type { ReleaseLimits } from "./verify.ts";

/*
 * Archives that no packer of Sunny makes, each with a manifest that is signed by a trusted key and names the archive's
 * right digest: what is refused here is refused for what it is, not for a wrong signature.
 */

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code) && (error.hint ?? "") !== "";
const signer = parseSigner(generateKey("ci").signer);
const verifiers = [verifierOf(signer)];

interface Part {
  readonly file: ReleaseFile;
  readonly content: string;
}

const part = (name: string, content = "x"): Part => ({
  file: { path: name, mode: 0o644, size: content.length, sha256: sha256(content) },
  content,
});
const link = (name: string, to: string): Part => ({
  file: { path: name, mode: 0o777, size: 0, sha256: sha256(to), link: to },
  content: "",
});

const bytesOf = ({ file, content }: Part): Buffer =>
  Buffer.concat([libraryHeader(tar, file), Buffer.from(content), Buffer.alloc(paddingOf(file.size))]);

/** A header of any type, as an attacker writes it. */
function rawHeader(data: ConstructorParameters<typeof tar.Header>[0]): Buffer {
  const block = Buffer.alloc(512);
  new tar.Header(data).encode(block, 0);
  return block;
}

const END = Buffer.alloc(1024);

/** Signs whatever is put together: `parts` go into the manifest, `raw` into the archive. */
function forge(
  t: TestContext,
  parts: readonly Part[],
  raw: readonly Buffer[] = [...parts.map((one) => bytesOf(one)), END],
  change: Partial<ReleaseManifest> = {},
): { archive: string; manifest: string; verifiers: typeof verifiers } {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-forged-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const compressed = gzipSync(Buffer.concat(raw));
  const files = parts.map((one) => one.file);
  const manifest: ReleaseManifest = {
    format: "sunny-release/1",
    name: "payments",
    version: "2.1.0",
    archive: { file: "payments-2.1.0.tar.gz", sha256: sha256(compressed), size: compressed.length },
    content: contentDigest(files),
    files,
    start: null,
    migrations: [],
    schema: null,
    infrastructure: null,
    ...change,
  };
  const paths = { archive: path.join(directory, "archive"), manifest: path.join(directory, "manifest") };
  writeFileSync(paths.archive, compressed);
  writeFileSync(paths.manifest, signManifest(manifest, [signer]));
  return { ...paths, verifiers };
}

async function refuses(forged: ReturnType<typeof forge>, code: ErrorCode, limits: ReleaseLimits = {}): Promise<void> {
  await assert.rejects(verifyRelease({ ...forged, limits }), refused(code));
}

describe("a release is refused", () => {
  test("never when it is a good one, put together by hand", async (t) => {
    const release = await verifyRelease(forge(t, [part("a"), link("b", "a"), part("c/d", "y".repeat(513))]));
    assert.deepEqual(release.signedBy, ["ci"]);
  });

  test("when a byte of the archive was changed", async (t) => {
    const forged = forge(t, [part("a")]);
    const bytes = readFileSync(forged.archive);
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] as number) ^ 0x40;
      writeFileSync(forged.archive, altered);
      await refuses(forged, "RELEASE_ARCHIVE_ALTERED");
    }
    writeFileSync(forged.archive, bytes.subarray(0, -1));
    await refuses(forged, "RELEASE_ARCHIVE_ALTERED");
    writeFileSync(forged.archive, Buffer.concat([bytes, Buffer.alloc(1)]));
    await refuses(forged, "RELEASE_ARCHIVE_ALTERED");
  });

  test("when a byte of the manifest was changed, or it carries no signature of a trusted key", async (t) => {
    const forged = forge(t, [part("a")]);
    const note = readFileSync(forged.manifest, "utf8");
    for (let at = 0; at < note.length; at += 3) {
      const other = note[at] === "x" ? "y" : "x";
      writeFileSync(forged.manifest, note.slice(0, at) + other + note.slice(at + 1));
      await refuses(forged, "RELEASE_UNSIGNED");
    }
    writeFileSync(forged.manifest, note.slice(0, note.indexOf("\n") + 1));
    await refuses(forged, "RELEASE_UNSIGNED");
    writeFileSync(forged.manifest, note);
    await assert.rejects(verifyRelease({ ...forged, verifiers: [] }), refused("RELEASE_UNSIGNED"));
    const stranger = [verifierOf(parseSigner(generateKey("ci").signer))];
    await assert.rejects(verifyRelease({ ...forged, verifiers: stranger }), refused("RELEASE_UNSIGNED"));
  });

  test("when one of its two files is missing", async (t) => {
    const forged = forge(t, [part("a")]);
    await assert.rejects(verifyRelease({ ...forged, archive: "nowhere" }), refused("FILE_UNREADABLE"));
    await assert.rejects(verifyRelease({ ...forged, manifest: "nowhere" }), refused("FILE_UNREADABLE"));
  });

  const inManifest: [string, Part[], ErrorCode][] = [
    ["a path that leaves the root", [part("../a")], "RELEASE_PATH_ESCAPES"],
    ["a path that leaves the root in its middle", [part("a/../../b")], "RELEASE_PATH_ESCAPES"],
    ["an absolute path", [part("/etc/passwd")], "RELEASE_PATH_ABSOLUTE"],
    ["a path with a drive", [part("C:/a")], "RELEASE_PATH_ABSOLUTE"],
    ["a path with an empty part", [part("a//b")], "RELEASE_PATH_INVALID"],
    ["a path with a backslash", [part("a\\b")], "RELEASE_PATH_INVALID"],
    ["a path with an escape sequence", [part("a\u001b[2J")], "RELEASE_PATH_INVALID"],
    ["a path that is too long", [part("n".repeat(300))], "RELEASE_PATH_INVALID"],
    ["the same path twice", [part("a"), part("a")], "RELEASE_PATH_DUPLICATE"],
    ["paths that differ by case", [part("A"), part("a")], "RELEASE_PATH_DUPLICATE"],
    ["folders that differ by case", [part("A/x"), part("a/y")], "RELEASE_PATH_DUPLICATE"],
    ["paths that differ by Unicode form", [part("e\u0301"), part("\u00e9")], "RELEASE_PATH_DUPLICATE"],
    ["a file that is a folder as well", [part("a"), part("a/b")], "RELEASE_PATH_DUPLICATE"],
    ["a link that leaves the root", [link("a", "../b"), part("b")], "RELEASE_LINK_ESCAPES"],
    ["an absolute link", [link("a", "/etc")], "RELEASE_LINK_ESCAPES"],
    ["a link through another link", [link("a", "d/../../x"), link("d", "e"), part("e/f")], "RELEASE_LINK_ESCAPES"],
    ["a link to a link", [link("a", "b"), link("b", "c"), part("c")], "RELEASE_LINK_ESCAPES"],
    ["files out of order", [part("b"), part("a")], "RELEASE_MANIFEST_INVALID"],
  ];
  for (const [what, parts, code] of inManifest) {
    test(`for ${what} in its manifest`, async (t) => {
      await refuses(forge(t, parts), code);
    });
  }

  const header = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: new Date(0) };
  const inArchive: [string, Buffer, ErrorCode][] = [
    ["a path that leaves the root", rawHeader({ ...header, type: "File", path: "../evil" }), "RELEASE_PATH_ESCAPES"],
    ["an absolute path", rawHeader({ ...header, type: "File", path: "/etc/cron.d/evil" }), "RELEASE_PATH_ABSOLUTE"],
    ["a character device", rawHeader({ ...header, type: "CharacterDevice", path: "null" }), "RELEASE_SPECIAL_FILE"],
    ["a block device", rawHeader({ ...header, type: "BlockDevice", path: "sda" }), "RELEASE_SPECIAL_FILE"],
    ["a pipe", rawHeader({ ...header, type: "FIFO", path: "pipe" }), "RELEASE_SPECIAL_FILE"],
    ["a hard link", rawHeader({ ...header, type: "Link", path: "hard", linkpath: "a" }), "RELEASE_SPECIAL_FILE"],
    [
      "a link out of the root",
      rawHeader({ ...header, type: "SymbolicLink", path: "l", linkpath: "../../etc" }),
      "RELEASE_LINK_ESCAPES",
    ],
    [
      "an absolute link",
      rawHeader({ ...header, type: "SymbolicLink", path: "l", linkpath: "/etc" }),
      "RELEASE_LINK_ESCAPES",
    ],
    ["a file that the manifest does not list", bytesOf(part("evil")), "RELEASE_FILE_UNLISTED"],
    ["a second file of the same name", bytesOf(part("a")), "RELEASE_FILE_UNLISTED"],
    ["a folder", rawHeader({ ...header, type: "Directory", path: "folder/" }), "RELEASE_FILE_UNLISTED"],
  ];
  for (const [what, block, code] of inArchive) {
    test(`for ${what} in the archive, before or behind the listed files`, async (t) => {
      const good = bytesOf(part("a"));
      await refuses(forge(t, [part("a")], [good, block, END]), code);
      if (!block.equals(good)) await refuses(forge(t, [part("a")], [block, good, END]), code);
    });
  }

  test("for a header that says something else than the manifest", async (t) => {
    const file = part("a");
    for (const other of [{ mode: 0o4755 }, { uid: 1000 }, { uname: "root" }, { mtime: new Date(1000) }]) {
      const block = rawHeader({ ...header, size: 1, type: "File", path: "a", ...other });
      const rest = Buffer.concat([Buffer.from(file.content), Buffer.alloc(paddingOf(1))]);
      await refuses(forge(t, [file], [block, rest, END]), "RELEASE_ARCHIVE_MALFORMED");
    }
  });

  test("for an extended header that renames a file", async (t) => {
    const renamed = Buffer.concat([new tar.Pax({ path: "../evil" }).encode(), bytesOf(part("a"))]);
    await refuses(forge(t, [part("a")], [renamed, END]), "RELEASE_FILE_UNLISTED");
  });

  test("for a file whose content is not that of the manifest", async (t) => {
    const other = Buffer.concat([libraryHeader(tar, part("a", "good").file), Buffer.from("evil"), Buffer.alloc(508)]);
    await refuses(forge(t, [part("a", "good")], [other, END]), "RELEASE_FILE_ALTERED");
  });

  test("for an archive that ends too soon", async (t) => {
    const whole = bytesOf(part("a", "y".repeat(600)));
    await refuses(forge(t, [part("a", "y".repeat(600))], [whole.subarray(0, 700)]), "RELEASE_FILE_MISSING");
    await refuses(forge(t, [part("a"), part("b")], [bytesOf(part("a")), END]), "RELEASE_FILE_MISSING");
    await refuses(forge(t, [part("a"), part("b")], [bytesOf(part("a"))]), "RELEASE_FILE_MISSING");
    await refuses(forge(t, [part("a")], [bytesOf(part("a"))]), "RELEASE_ARCHIVE_MALFORMED");
  });

  test("for bytes between files, and behind the end", async (t) => {
    const dirty = bytesOf(part("a"));
    dirty[900] = 1;
    await refuses(forge(t, [part("a")], [dirty, END]), "RELEASE_ARCHIVE_MALFORMED");
    await refuses(forge(t, [part("a")], [bytesOf(part("a")), END, Buffer.alloc(1)]), "RELEASE_TOO_LARGE");
  });

  test("for an archive that is no gzip, though it was signed", async (t) => {
    const forged = forge(t, [part("a")]);
    const junk = Buffer.from("this is no archive at all");
    const archive = { file: "a", sha256: sha256(junk), size: junk.length };
    const again = forge(t, [part("a")], [], { archive });
    writeFileSync(again.archive, junk);
    await refuses(again, "RELEASE_ARCHIVE_MALFORMED");
    const cut = readFileSync(forged.archive).subarray(0, -12);
    const short = forge(t, [part("a")], [], { archive: { file: "a", sha256: sha256(cut), size: cut.length } });
    writeFileSync(short.archive, cut);
    await refuses(short, "RELEASE_ARCHIVE_MALFORMED");
  });

  test("for a small archive that unpacks to something large, without unpacking it", async (t) => {
    // A megabyte of zeros where the manifest says one byte: no more than a header is read of it.
    const bomb = [libraryHeader(tar, part("a").file), Buffer.alloc(1_000_000)];
    await refuses(forge(t, [part("a")], bomb), "RELEASE_FILE_ALTERED");
    await refuses(forge(t, [part("a")], [bytesOf(part("a")), END, Buffer.alloc(1_000_000)]), "RELEASE_TOO_LARGE");
    const large = forge(t, [part("a", "z".repeat(5000)), part("b")]);
    await refuses(large, "RELEASE_TOO_LARGE", { maxBytes: 5000 });
    await refuses(large, "RELEASE_TOO_LARGE", { maxFiles: 1 });
    const claims = part("a");
    const huge = { ...claims, file: { ...claims.file, size: 2 ** 50 } };
    await refuses(forge(t, [huge], [bytesOf(claims), END]), "RELEASE_TOO_LARGE");
  });

  test("for a manifest that contradicts itself, though it was signed", async (t) => {
    const migration = { id: "1", up: { path: "m.sql", sha256: "0".repeat(64) }, down: null };
    const changes: Partial<ReleaseManifest>[] = [
      { content: `sha256:${"0".repeat(64)}` },
      { migrations: [migration] },
      { version: "../2" },
      { name: "Payments" },
      { start: [] },
      { format: "sunny-release/2" as "sunny-release/1" },
      { more: 1 } as Partial<ReleaseManifest>,
    ];
    for (const change of changes) await refuses(forge(t, [part("a")], undefined, change), "RELEASE_MANIFEST_INVALID");
    const odd: Part = { ...part("a"), file: { ...part("a").file, mode: 0o777 } };
    await refuses(forge(t, [odd]), "RELEASE_MANIFEST_INVALID");
  });

  test("for a manifest that is signed but not in canonical form", async (t) => {
    const forged = forge(t, [part("a")]);
    const [line = ""] = readFileSync(forged.manifest, "utf8").split("\n");
    for (const text of [`${line} \n`, "{}\n", "not json\n", `${canonicalJson({ b: 1 })}\n`]) {
      writeFileSync(forged.manifest, signNote(text, [signer]));
      await refuses(forged, "RELEASE_MANIFEST_INVALID");
    }
  });

  test("while it is unpacked as well, and nothing of it stays", async (t) => {
    const forged = forge(t, [part("a", "good")], [bytesOf(part("a", "evil")), END]);
    const release = await openRelease(forged);
    const destination = path.join(path.dirname(forged.archive), "out");
    await assert.rejects(extractRelease(release, destination), refused("RELEASE_FILE_ALTERED"));
    assert.throws(() => readFileSync(`${destination}.partial/a`), { code: "ENOENT" });
  });
});
