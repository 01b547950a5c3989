/** Releases of the sample system with one thing wrong. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stageRelease } from "../../../examples/payments/releases/stage.ts";
import { packRelease } from "../../../src/release/pack.ts";
import type { RemoteSystem } from "./remote-system.ts";

/** A file of the app, and what is made of its text. */
export type Change = readonly [file: string, change: (text: string) => string];

/** Packs the baseline with changed files under a version of its own, into the system's store. */
export async function packChanged(system: RemoteSystem, version: string, changes: readonly Change[]): Promise<void> {
  const { environment } = system;
  const directory = path.join(system.directory, "staged", version);
  await stageRelease("baseline", directory, { version });
  for (const [file, change] of changes) {
    const before = readFileSync(path.join(directory, file), "utf8");
    const after = change(before);
    if (after === before) throw new Error(`nothing was changed in ${file}`);
    writeFileSync(path.join(directory, file), after);
  }
  await packRelease({ directory, out: environment.releasesDir, signers: [environment.releaseKey.signer] });
}

/** Ends some time after its start, with a last word. */
export const diesAfter = (ms: number): Change => [
  "main.js",
  (text) =>
    text.replace(
      "main().catch(fail);",
      `main().catch(fail);\nsetTimeout(() => fail(new Error("out of file handles")), ${ms});`,
    ),
];

/** Says that it is another version than it is. */
export const claims = (version: string): Change => [
  "release.js",
  (text) => text.replace(/return \{ name: .*, version \};/, `return { name, version: "${version}" };`),
];

/** Never answers whoever asks for its health. */
export const HANGS: Change = [
  "health.js",
  (text) => text.replace("async function health() {", "async function health() {\n    await new Promise(() => {});"),
];

/** Listens only some time after its start. */
export const startsAfter = (ms: number): Change => [
  "main.js",
  (text) => text.replace("main().catch(fail);", `setTimeout(() => main().catch(fail), ${ms});`),
];
