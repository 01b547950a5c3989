import { readFileSync } from "node:fs";
import path from "node:path";

/**
 * The release that this process was started from: `release.json` beside the code. The module's own directory is asked,
 * not the working directory, since `current` may point elsewhere a moment after the start.
 */
export function readRelease(directory = import.meta.dirname) {
  const file = path.join(directory, "release.json");
  const { name, version } = JSON.parse(readFileSync(file, "utf8"));
  if (typeof version !== "string" || version === "") throw new Error(`${file} names no version`);
  return { name: typeof name === "string" ? name : "payments", version };
}
