import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { TerminalError } from "../../engine/context.ts";

/** What belongs to the program and stays when the configuration is replaced. */
const KEPT = /^(\.terraform|terraform\.tfstate.*|\.terraform\.tfstate.*)$/;

/** The folder that the program runs in, and the files of Sunny's own beside it. */
export interface Workspace {
  readonly config: string;
  /** The saved plan; holds secrets in clear, as the state does. */
  readonly plan: string;
  readonly driftPlan: string;
  /** What was read out of the saved plan, secrets out. */
  readonly planSummary: string;
  readonly applied: string;
  /** Holds the digest of the plan whose apply has begun. */
  readonly begun: string;
  readonly cliConfig: string;
}

/** Names the files below `workDir`. */
export function workspaceOf(workDir: string): Workspace {
  const file = (name: string): string => path.join(workDir, name);
  return {
    config: file("configuration"),
    plan: file("saved.tfplan"),
    driftPlan: file("drift.tfplan"),
    planSummary: file("saved.json"),
    applied: file("applied.json"),
    begun: file("begun"),
    cliConfig: file("terraform.rc"),
  };
}

/** Makes the folders, for their owner only, and the program's own configuration file, so that no user's is read. */
export async function prepare(workspace: Workspace): Promise<void> {
  await mkdir(path.dirname(workspace.config), { recursive: true, mode: 0o700 });
  await mkdir(workspace.config, { recursive: true, mode: 0o700 });
  await writeWhole(workspace.cliConfig, "disable_checkpoint = true\n");
}

/** Replaces the configuration by `files`; state and providers stay. @throws TerminalError for a path that leads out */
export async function writeConfiguration(workspace: Workspace, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await prepare(workspace);
  for (const name of await readdir(workspace.config)) {
    if (!KEPT.test(name)) await rm(path.join(workspace.config, name), { recursive: true, force: true });
  }
  for (const [name, bytes] of files) {
    const file = path.resolve(workspace.config, name);
    const inside = file.startsWith(workspace.config + path.sep) && !KEPT.test(name.split("/")[0] ?? "");
    if (!inside)
      throw new TerminalError(
        "TERRAFORM_FAILED",
        `The release's infrastructure folder holds a file that may not be there: ${name}`,
      );
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeWhole(file, bytes);
  }
}

/** A reader sees the old content or the new; 0600. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const next = `${file}.next`;
  const handle = await open(next, "w", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}

/** The content of a file; null when it is missing. */
export async function readOrNull(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** SHA-256 of a file, hex; null when it is missing. */
export async function digestOfFile(file: string): Promise<string | null> {
  const bytes = await readOrNull(file);
  return bytes === null ? null : createHash("sha256").update(bytes).digest("hex");
}
