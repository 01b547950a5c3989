import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";

/**
 * Makes a directory, and those above it that are missing, for nobody else (0700); returns the first that it made. Where
 * one cannot be made the error says which. Node.js's own recursive way tries for ever where the system says that the
 * directory above is missing although it is there, as below /proc.
 */
export function makeDirectory(directory: string): string | undefined {
  const missing: string[] = [];
  for (let at = path.resolve(directory); !existsSync(at); at = path.dirname(at)) missing.unshift(at);
  for (const one of missing) {
    try {
      mkdirSync(one, { mode: 0o700 });
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  return missing[0];
}
