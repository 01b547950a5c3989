import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { generateKey, parseSigner, parseVerifier } from "../audit/note.ts";
import { messageOf, SunnyError } from "../errors.ts";
import { releaseRef } from "../release/manifest.ts";
import { packRelease } from "../release/pack.ts";
import { openReleaseStore } from "../release/store.ts";
import { verifyRelease } from "../release/verify.ts";
import { trustedVerifiers } from "../wiring/trusted-verifiers.ts";
import type { CliContext } from "./context.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .command("keygen")
    .description("Make a key that signs releases: FILE (0600) and FILE.pub.")
    .argument("<file>", "where the private key goes; must not exist")
    .option("--name <name>", "the key's name", "releases")
    .action((file: string, options: { name: string }) => keygen(context, file, options.name));
  command
    .command("pack")
    .description("Pack a directory as a signed release archive.")
    .argument("<dir>", "the release's files")
    .option("--name <name>", "the service (default: what release.json says)")
    .option("--version <version>", "the version (default: what release.json says)")
    .requiredOption("--out <dir>", "where archive and manifest go")
    .requiredOption("--key <file>", "the private key that signs it")
    .option("--commit <id>", "the commit it was built from")
    .action((dir: string, options: PackOptions) => pack(context, dir, options));
  command
    .command("verify")
    .description("Verify signature, digest and every file of an archive.")
    .argument("<archive>", "NAME-VERSION.tar.gz; its .release lies beside it")
    .option("--key <file...>", "verifier keys (default: those of the configuration)")
    .action((archive: string, options: { key?: string[] }) => verify(context, archive, options));
  command
    .command("list")
    .description("List the releases in the store.")
    .action(() => list(context));
};

interface PackOptions {
  readonly name?: string;
  readonly version?: string;
  readonly out: string;
  readonly key: string;
  readonly commit?: string;
}

function keygen(context: CliContext, file: string, name: string): void {
  const full = path.resolve(context.cwd, file);
  const { signer, verifier } = generateKey(name);
  try {
    writeFileSync(full, `${signer}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot write the key: ${messageOf(error)}`, {
      place: { file },
      hint: "Name a file that does not exist yet, in a directory that you may write to.",
      cause: error,
    });
  }
  chmodSync(full, 0o600);
  writeFileSync(`${full}.pub`, `${verifier}\n`);
  context.output.text(`${full}\n${verifier}`);
  context.output.summary({ file: full, verifier });
}

async function pack(context: CliContext, dir: string, options: PackOptions): Promise<void> {
  const packed = await packRelease({
    directory: path.resolve(context.cwd, dir),
    out: path.resolve(context.cwd, options.out),
    signers: [parseSigner(read(context, options.key).trim())],
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.commit === undefined ? {} : { builtFrom: { commit: options.commit } }),
  });
  const { manifest, archive } = packed;
  context.output.text(
    `${archive}\n${manifest.name} ${manifest.version}: ${manifest.files.length} files, sha256:${manifest.archive.sha256}`,
  );
  context.output.summary({ archive, manifest: packed.manifestFile, ...releaseRef(manifest) });
}

async function verify(context: CliContext, archive: string, options: { key?: string[] }): Promise<void> {
  const verifiers =
    options.key?.map((file) => parseVerifier(read(context, file).trim())) ??
    trustedVerifiers((await context.system()).system);
  const file = path.resolve(context.cwd, archive);
  const release = await verifyRelease({
    archive: file,
    manifest: file.replace(/\.tar\.gz$/, ".release"),
    verifiers,
  });
  context.output.text(
    `verified: ${release.manifest.name} ${release.manifest.version}, signed by ${release.signedBy.join(", ")}`,
  );
  context.output.summary({ ok: true, ...releaseRef(release.manifest), signedBy: release.signedBy });
}

async function list(context: CliContext): Promise<void> {
  const { system } = await context.system();
  const store = openReleaseStore({
    directory: system.releases.dir,
    name: system.service,
    verifiers: trustedVerifiers(system),
  });
  const releases = await store.list();
  for (const { version, release, problem } of releases) {
    context.output.event("release", { version, problem: problem?.code ?? null });
    context.output.text(
      `${version.padEnd(12)} ${release === undefined ? `unusable: ${problem.message}` : `sha256:${release.manifest.archive.sha256}`}`,
    );
  }
  if (releases.length === 0) context.output.text(`No releases in ${system.releases.dir}.`);
  context.output.summary({ releases: releases.length });
}

function read(context: CliContext, file: string): string {
  try {
    return readFileSync(path.resolve(context.cwd, file), "utf8");
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot read the key: ${messageOf(error)}`, {
      place: { file },
      hint: "Make one with `sunny release keygen FILE`.",
      cause: error,
    });
  }
}
