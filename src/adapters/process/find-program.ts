import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** Path of a program as a shell would find it; null when there is none that can be executed. */
export function findProgram(name: string, searchPath: string, cwd: string): string | null {
  const candidates = name.includes("/")
    ? [path.resolve(cwd, name)]
    : searchPath.split(path.delimiter).map((directory) => path.resolve(cwd, directory, name));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
