import { z } from "zod";
import { openNote, signNote } from "../audit/note.ts";
import type { NoteSigner, NoteVerifier } from "../audit/note.ts";
import { SunnyError, isSunnyError, messageOf } from "../errors.ts";
import { canonicalJson, digestOf, sha256 } from "../json.ts";
import { requireDistinctPaths, requireSafeLinks, requireSafePath } from "./paths.ts";
import { refuse } from "./refusal.ts";
import { isReleaseName, isVersion } from "./version.ts";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const count = z.int().min(0);

const fileSchema = z.strictObject({
  /** Relative to the release's root, `/` between parts. */
  path: z.string(),
  /** 0o644, 0o755 when executable, 0o777 for a link. */
  mode: z.union([z.literal(0o644), z.literal(0o755), z.literal(0o777)]),
  /** Bytes; 0 for a link. */
  size: count,
  /** Of the content, of the target's text for a link. */
  sha256: hex,
  /** Where a symbolic link leads. */
  link: z.string().optional(),
});

const migrationFile = z.strictObject({ path: z.string(), sha256: hex });

const manifestSchema = z.strictObject({
  format: z.literal("sunny-release/1"),
  name: z.string().refine(isReleaseName),
  version: z.string().refine(isVersion),
  archive: z.strictObject({ file: z.string(), sha256: hex, size: count }),
  /** Digest over the list of files: the same for the same files, whatever compressed them. */
  content: digest,
  files: z.array(fileSchema),
  /** Command that starts the service, in the release's root. */
  start: z.array(z.string()).min(1).nullable(),
  migrations: z.array(z.strictObject({ id: z.string(), up: migrationFile, down: migrationFile.nullable() })),
  /** Schema that the release works with: the id of its last migration, `null` when it has none. */
  schema: z.string().nullable(),
  /** Folder and digest of the infrastructure's configuration. */
  infrastructure: z.strictObject({ path: z.string(), digest }).nullable(),
  builtFrom: z.strictObject({ commit: z.string().optional(), ci: z.string().optional() }).optional(),
});

/** What a release is: every file with its digest, and what Sunny must know to deploy it. */
export type ReleaseManifest = Readonly<z.infer<typeof manifestSchema>>;
export type ReleaseFile = Readonly<z.infer<typeof fileSchema>>;
/** One change of the schema; `down` is `null` when it cannot be taken back. */
export type ReleaseMigration = ReleaseManifest["migrations"][number];

/** A release as plans and hosts name it. `id` is `<version>-<first 12 hex digits of the archive's SHA-256>`. */
export function releaseRef(manifest: ReleaseManifest): {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly id: string;
} {
  const { name, version, archive } = manifest;
  return { name, version, digest: archive.sha256, id: `${version}-${archive.sha256.slice(0, 12)}` };
}

/** Digest over files as the manifest lists them. */
export function contentDigest(files: readonly ReleaseFile[]): string {
  return digestOf(files);
}

/** Signs a manifest: a C2SP signed note whose text is the canonical JSON (RFC 8785) of the manifest on one line. */
export function signManifest(manifest: ReleaseManifest, signers: readonly NoteSigner[]): string {
  return signNote(`${canonicalJson(manifest)}\n`, signers);
}

/** A manifest whose signature holds. */
export interface OpenedManifest {
  readonly manifest: ReleaseManifest;
  /** Names of the keys that signed it, of those that were given. */
  readonly signedBy: readonly string[];
  /** SHA-256 of the signed text, hex. */
  readonly sha256: string;
}

/** A manifest may name many thousands of files; the note's own limit is meant for checkpoints. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/**
 * Verifies a signed manifest and everything that can be known from it alone: form, paths, links, digests over lists.
 * @throws RELEASE_UNSIGNED, RELEASE_MANIFEST_INVALID, RELEASE_PATH_*, RELEASE_LINK_ESCAPES
 */
export function openManifest(note: string, verifiers: readonly NoteVerifier[]): OpenedManifest {
  const opened = openSigned(note, verifiers);
  const manifest = parseManifest(opened.text);
  checkFiles(manifest);
  return { manifest, signedBy: opened.verified, sha256: sha256(opened.text) };
}

function openSigned(note: string, verifiers: readonly NoteVerifier[]): ReturnType<typeof openNote> {
  try {
    return openNote(note, verifiers, MAX_MANIFEST_BYTES);
  } catch (error) {
    throw new SunnyError("RELEASE_UNSIGNED", `The release is not signed by a trusted key: ${messageOf(error)}`, {
      hint: "Sign it with a key whose verifier is in `releases.trustedKeys`, or find out who changed it.",
      cause: error,
    });
  }
}

function parseManifest(text: string): ReleaseManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw refuse("RELEASE_MANIFEST_INVALID", `The release's manifest is not JSON: ${messageOf(error)}`, {}, error);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    throw refuse("RELEASE_MANIFEST_INVALID", `The release's manifest is not valid: ${z.prettifyError(parsed.error)}`);
  }
  if (`${canonicalJson(json)}\n` !== text) {
    throw refuse("RELEASE_MANIFEST_INVALID", "The release's manifest is not in canonical form");
  }
  return parsed.data;
}

/** Checks that hold for a manifest that was just made as well as for one that was read. @throws as `openManifest` */
export function checkFiles(manifest: ReleaseManifest): void {
  const { files } = manifest;
  const paths = files.map((file) => file.path);
  for (const file of paths) requireSafePath(file);
  requireDistinctPaths(paths);
  const links = files.filter((file): file is ReleaseFile & { link: string } => file.link !== undefined);
  requireSafeLinks(links, paths);
  const sorted = paths.every((file, at) => at === 0 || (paths[at - 1] as string) < file);
  if (!sorted) throw invalid("its files are not in order");
  if (contentDigest(files) !== manifest.content) throw invalid("its content digest is not that of its files");
  for (const file of files) {
    if ((file.link !== undefined) !== (file.mode === 0o777)) throw invalid(`mode and kind of ${file.path} disagree`);
    if (file.link !== undefined && (file.size !== 0 || sha256(file.link) !== file.sha256)) {
      throw invalid(`the digest of the link ${file.path} is not that of its target`);
    }
  }
  const known = new Map(files.map((file) => [file.path, file.sha256]));
  for (const { id, up, down } of manifest.migrations) {
    for (const file of down === null ? [up] : [up, down]) {
      if (known.get(file.path) !== file.sha256) throw invalid(`migration ${id} names a file that the release lacks`);
    }
  }
}

function invalid(why: string): SunnyError {
  return refuse("RELEASE_MANIFEST_INVALID", `The release's manifest contradicts itself: ${why}`);
}

/** True when the error says that a release must not be used, whatever the reason. */
export function isReleaseRefusal(error: unknown): boolean {
  return isSunnyError(error) && error.code.startsWith("RELEASE_");
}
