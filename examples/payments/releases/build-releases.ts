/**
 * Packs and signs releases of the sample system with Sunny's own packer:
 *
 *     bin/node examples/payments/releases/build-releases.ts --out DIR --key FILE [VARIANT[=VERSION]...]
 *
 * FILE holds a signer key. Without variants all are built, each as its own version; `failing=2.1.0` packs the failing
 * one as 2.1.0.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { parseSigner } from "../../../src/audit/note.ts";
import type { NoteSigner } from "../../../src/audit/note.ts";
import { SunnyError, renderError } from "../../../src/errors.ts";
import { packRelease } from "../../../src/release/pack.ts";
import type { PackedRelease } from "../../../src/release/pack.ts";
import { RECIPES, VARIANTS, stageRelease } from "./stage.ts";
import type { Variant } from "./stage.ts";

/** What is to be built: a variant, under its own version or another. */
export interface Wanted {
  readonly variant: Variant;
  readonly version?: string;
}

/**
 * Stages, packs and signs releases into `out`; default all of them. The staging directories are removed again.
 * @throws USAGE when two would have the same version, and as `packRelease`
 */
export async function buildReleases(options: {
  readonly out: string;
  readonly signers: readonly NoteSigner[];
  readonly releases?: readonly Wanted[];
}): Promise<PackedRelease[]> {
  const wanted: readonly Wanted[] = options.releases ?? VARIANTS.map((variant) => ({ variant }));
  const versions = wanted.map(({ variant, version }) => version ?? RECIPES[variant].version);
  const twice = versions.find((version, index) => versions.indexOf(version) !== index);
  if (twice !== undefined) throw new SunnyError("USAGE", `Two releases would be ${twice}`);
  const staging = await mkdtemp(path.join(tmpdir(), "payments-release-"));
  try {
    const packed: PackedRelease[] = [];
    for (const [index, { variant, version }] of wanted.entries()) {
      const directory = path.join(staging, String(index));
      await stageRelease(variant, directory, version === undefined ? {} : { version });
      packed.push(await packRelease({ directory, out: options.out, signers: options.signers }));
    }
    return packed;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Reads `VARIANT` or `VARIANT=VERSION`. @throws USAGE */
export function parseWanted(text: string): Wanted {
  const [name = "", version] = text.split("=", 2);
  const variant = VARIANTS.find((one) => one === name);
  if (variant === undefined) {
    throw new SunnyError("USAGE", `There is no release "${name}"`, { hint: `Known: ${VARIANTS.join(", ")}.` });
  }
  return version === undefined ? { variant } : { variant, version };
}

async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    options: { out: { type: "string" }, key: { type: "string" } },
    allowPositionals: true,
  });
  if (values.out === undefined || values.key === undefined) {
    throw new SunnyError("USAGE", "The options --out and --key are needed");
  }
  const signers = [parseSigner((await readFile(values.key, "utf8")).trim())];
  const releases = positionals.length === 0 ? {} : { releases: positionals.map(parseWanted) };
  for (const { manifest, archive } of await buildReleases({ out: values.out, signers, ...releases })) {
    console.log(`${manifest.version}  ${manifest.archive.sha256}  ${archive}`);
  }
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(renderError(error));
    process.exitCode = 2;
  }
}
