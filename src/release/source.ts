import { readFile, readdir, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SunnyError, messageOf } from "../errors.ts";
import { requireDistinctPaths, requireSafePath } from "./paths.ts";
import { refuse } from "./refusal.ts";

const settingsSchema = z.strictObject({
  /** When given, `sunny release pack` refuses another name. */
  name: z.string().optional(),
  /** When given, `sunny release pack` refuses another version. */
  version: z.string().optional(),
  /** Command that starts the service, run in the release's root; default: none is recorded. */
  start: z.array(z.string()).min(1).optional(),
  /** Folder of `<id>.up.<ext>` and `<id>.down.<ext>`, default `migrations`; its absence means none. */
  migrations: z.string().default("migrations"),
  /** Folder of the infrastructure's configuration, default `infrastructure`; its absence means none. */
  infrastructure: z.string().default("infrastructure"),
  /** Schema the release works with, default the id of its last migration. */
  schema: z.string().optional(),
  builtFrom: z.strictObject({ commit: z.string().optional(), ci: z.string().optional() }).optional(),
});

/** What `release.json` in the root of a release may say; every member is optional, and so is the file. */
export type ReleaseSettings = Readonly<z.infer<typeof settingsSchema>>;

/** A file to be packed. */
export interface SourceFile {
  readonly path: string;
  readonly mode: 0o644 | 0o755 | 0o777;
  /** Where a symbolic link leads, as it says itself. */
  readonly link?: string;
}

/** Reads `release.json`. @throws RELEASE_SOURCE_INVALID */
export async function readSettings(directory: string): Promise<ReleaseSettings> {
  const file = path.join(directory, "release.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return settingsSchema.parse({});
    throw sourceInvalid(`${file} cannot be read: ${messageOf(error)}`, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw sourceInvalid(`${file} is not JSON: ${messageOf(error)}`, error);
  }
  const parsed = settingsSchema.safeParse(json);
  if (!parsed.success) throw sourceInvalid(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/**
 * The files of a directory in the order of their paths. `.git` is left out, and so are empty directories; modes are
 * reduced to "executable or not", since the packer's umask is no property of a release.
 * @throws RELEASE_SOURCE_INVALID, RELEASE_SPECIAL_FILE, RELEASE_PATH_*
 */
export async function listSource(directory: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  try {
    await listInto(files, directory, "");
  } catch (error) {
    if (error instanceof SunnyError) throw error;
    throw sourceInvalid(`${directory} cannot be read: ${messageOf(error)}`, error);
  }
  if (files.length === 0) throw sourceInvalid(`${directory} holds no files`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const file of files) requireSafePath(file.path);
  requireDistinctPaths(files.map((file) => file.path));
  return files;
}

async function listInto(files: SourceFile[], root: string, prefix: string): Promise<void> {
  for (const entry of await readdir(path.join(root, prefix), { withFileTypes: true })) {
    const file = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    const full = path.join(root, file);
    if (entry.isDirectory()) {
      if (file !== ".git") await listInto(files, root, file);
    } else if (entry.isSymbolicLink()) {
      files.push({ path: file, mode: 0o777, link: await readlink(full) });
    } else if (entry.isFile()) {
      files.push({ path: file, mode: ((await stat(full)).mode & 0o111) === 0 ? 0o644 : 0o755 });
    } else {
      throw refuse("RELEASE_SPECIAL_FILE", `${full} is neither a file nor a symbolic link`, { path: file });
    }
  }
}

/** The refusal of a directory that is to be packed. */
export function sourceInvalid(why: string, cause?: unknown): SunnyError {
  return new SunnyError("RELEASE_SOURCE_INVALID", `Cannot pack the release: ${why}`, {
    hint: "docs/reference/release.md describes what the directory of a release holds.",
    ...(cause === undefined ? {} : { cause }),
  });
}
