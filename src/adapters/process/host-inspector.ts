import { lstat, open, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import type { FileFact, HostInspector, Listener } from "../../operations/security/ports.ts";

const DEEPEST = 6;

/** Looks at hosts that are folders and processes of this machine. */
export function localInspector(): HostInspector {
  return {
    files: (_host, paths) => localFiles(paths),
    sockets: (_host, folder) => socketsBelow(folder, 0),
    listeners: (_host, pid) => listenersOf(pid),
    logTails: (_host, folder, bytes) => logTails(folder, bytes),
  };
}

/** Kind and permission bits of files of this machine; a link is judged by what it leads to. */
export async function localFiles(paths: readonly string[]): Promise<FileFact[]> {
  return Promise.all(paths.map(factOf));
}

async function factOf(file: string): Promise<FileFact> {
  try {
    const handle = await lstat(file);
    if (handle.isSymbolicLink())
      return { ...(await factOf(path.resolve(path.dirname(file), await readlink(file)))), path: file };
    const kind = handle.isSocket() ? "socket" : handle.isDirectory() ? "directory" : "file";
    return { path: file, kind, mode: handle.mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { path: file, kind: "missing", mode: 0 };
    throw error;
  }
}

async function socketsBelow(folder: string, depth: number): Promise<FileFact[]> {
  if (depth > DEEPEST) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(absent);
  const found = await Promise.all(
    entries.map(async (entry): Promise<FileFact[]> => {
      const file = path.join(folder, entry.name);
      if (entry.isSocket()) return [await factOf(file)];
      // Releases hold code, and a lot of it.
      return entry.isDirectory() && entry.name !== "releases" ? socketsBelow(file, depth + 1) : [];
    }),
  );
  return found.flat().filter(({ kind }) => kind !== "missing");
}

async function logTails(folder: string, bytes: number): Promise<Record<string, string>> {
  const names = (await readdir(folder).catch(absent)).filter((name) => name.endsWith(".log"));
  const tails = await Promise.all(
    names.map(async (name) => [path.join(folder, name), await tail(path.join(folder, name), bytes)] as const),
  );
  return Object.fromEntries(tails);
}

async function tail(file: string, bytes: number): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    await handle.read(buffer, 0, length, size - length);
    return buffer.toString("utf8");
  } finally {
    await handle.close();
  }
}

/** By the kernel's tables (proc(5)): sockets in state 0A (LISTEN) that a process of the family holds. Null elsewhere than on Linux. */
async function listenersOf(pid: number): Promise<Listener[] | null> {
  if (process.platform !== "linux") return null;
  const inodes = new Set<string>();
  for (const member of await familyOf(pid)) for (const inode of await socketInodes(member)) inodes.add(inode);
  const found: Listener[] = [];
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const lines = (await readFile(table, "utf8").catch(() => "")).split("\n").slice(1);
    for (const line of lines) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state !== "0A" || !inodes.has(inode)) continue;
      const [address = "", port = "0"] = local.split(":");
      found.push({ address: addressText(address), port: Number.parseInt(port, 16) });
    }
  }
  return found;
}

async function familyOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const family = new Set([pid]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [child, parent] of parents) {
      if (!family.has(parent) || family.has(child)) continue;
      family.add(child);
      grown = true;
    }
  }
  return [...family];
}

async function socketInodes(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(absent);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

function addressText(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length === 4) return bytes.toReversed().join(".");
  return /^0+$/.test(hex) ? "[::]" : `[${hex.toLowerCase()}]`;
}

function absent(error: unknown): never[] {
  if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
  throw error;
}
