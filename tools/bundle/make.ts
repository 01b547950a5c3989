import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { crc32 } from "node:zlib";
import { VERBS } from "../../src/cli/verbs.ts";
import { emitModules } from "./emit.ts";
import { linkModules, writeScript } from "./link.ts";

const ENTRY = "src/cli/program.ts";
/** Where the script of a clone lies. */
const FOLDER = "node_modules/.cache/bundle";
/** What else decides how the script comes out. */
const RECIPE = ["emit.ts", "link.ts", "make.ts"].map((name) => `tools/bundle/${name}`);
/** Changes with each installation of packages. */
const INSTALLED = "node_modules/.package-lock.json";

/** What `bin/bundled.js` reads before it uses the script. */
interface Manifest {
  readonly hash: string;
  /** Of the script, as of `zlib.crc32`. */
  readonly crc: number;
  readonly verbs: readonly string[];
  /** Path, size, and the times of the last change of content and of anything, ms since the epoch. */
  readonly files: readonly (readonly [string, number, number, number])[];
}

/**
 * Makes the script of a clone, unless it is there: of the command line, or of another `entry` of the project in a folder of
 * its own. @throws when it cannot be made; what was there is left then
 */
export function makeBundle(root: string, entry: string = ENTRY, folder: string = path.join(root, FOLDER)): void {
  if (isMade(root, folder)) return;
  const scratch = mkdtempSync(path.join(tmpdir(), "sunny-bundle-"));
  try {
    const begun = Date.now();
    const linked = linkModules(emitModules(root, scratch, [entry]), root, entry);
    const script = writeScript(linked);
    const own = linked.map(({ file }) => file).filter((file) => !file.startsWith("node_modules/"));
    const files = [...own, ...RECIPE, INSTALLED].map((file) => stampOf(root, file, begun));
    const hash = createHash("sha256").update(script).digest("hex").slice(0, 16);
    publish(folder, script, { hash, crc: crc32(script), verbs: Object.keys(VERBS), files });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function isMade(root: string, folder: string): boolean {
  try {
    const { files } = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")) as Manifest;
    return files.every((known) => JSON.stringify(known) === JSON.stringify(stampOf(root, known[0])));
  } catch {
    return false;
  }
}

/** What tells whether a file is still the one that was read. @throws when it changed meanwhile */
function stampOf(root: string, file: string, begun = Infinity): readonly [string, number, number, number] {
  const { size, mtimeMs, ctimeMs } = statSync(path.join(root, file));
  if (ctimeMs >= begun) throw new Error(`${file} was changed meanwhile`);
  return [file, size, mtimeMs, ctimeMs];
}

/** First what is named, then the name, then what was named before is removed. */
function publish(folder: string, script: string, manifest: Manifest): void {
  const place = path.join(folder, manifest.hash);
  mkdirSync(place, { recursive: true });
  replaceFile(path.join(place, "sunny.js"), script);
  replaceFile(path.join(folder, "manifest.json"), JSON.stringify(manifest));
  for (const name of readdirSync(folder)) {
    if (/^[0-9a-f]{16}$/.test(name) && name !== manifest.hash) {
      rmSync(path.join(folder, name), { recursive: true, force: true });
    }
  }
}

function replaceFile(file: string, text: string): void {
  const part = `${file}.${process.pid}`;
  writeFileSync(part, text);
  renameSync(part, file);
}
