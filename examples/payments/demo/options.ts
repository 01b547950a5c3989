import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Wanted } from "../releases/build-releases.ts";
import { isVersion } from "../../../src/release/version.ts";
import { RECIPES, VARIANTS, type Variant } from "../releases/stage.ts";

export interface DemoOptions {
  readonly json: boolean;
  /** Leave the system running and say where it is. */
  readonly keep: boolean;
  /** Absolute. */
  readonly runbook: string;
  /** What is deployed, in order. */
  readonly releases: readonly { readonly version: string; readonly variant: Variant }[];
  /** Requests per second. */
  readonly rate: number;
}

export const USAGE = `npm run demo -- [options]
  --runbook FILE     carry out this runbook instead of examples/payments/RUNBOOK.md
  --release VERSION  deploy this release; may be given several times (default: 2.1.0, then 2.2.0).
                     VARIANT=VERSION packs it under another version: good=2.2.0, failing=2.1.0
  --keep             leave the system running afterwards
  --rate N           requests per second of the load, 20 to 1000 (default: 220)
  --json             one event a line on stdout, the last one is the summary
Releases: ${VARIANTS.map((variant) => `${RECIPES[variant].version} (${variant}: ${RECIPES[variant].about})`).join(", ")}.`;

/** Reads the command line; throws an `Error` whose message says what is wrong with it. */
export function demoOptions(args: readonly string[], cwd: string): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      runbook: { type: "string" },
      release: { type: "string", multiple: true },
      rate: { type: "string", default: "220" },
    },
  });
  const runbook =
    values.runbook === undefined
      ? path.join(import.meta.dirname, "..", "RUNBOOK.md")
      : path.resolve(cwd, values.runbook);
  if (!existsSync(runbook)) throw new Error(`there is no runbook ${runbook}`);
  const rate = Number(values.rate);
  if (!(rate >= 20 && rate <= 1000)) throw new Error(`--rate ${values.rate} is not a number from 20 to 1000`);
  const releases = (values.release ?? ["2.1.0", "2.2.0"]).map(releaseOf);
  const wrong = releases.find(({ version, variant }) =>
    releases.some((one) => one.version === version && one.variant !== variant),
  );
  if (wrong !== undefined) throw new Error(`two releases cannot both be ${wrong.version}`);
  return { json: values.json, keep: values.keep, runbook, releases, rate };
}

/** Reads `VERSION`, or `VARIANT=VERSION` for a release under another version than its own. */
function releaseOf(text: string): DemoOptions["releases"][number] {
  const at = text.indexOf("=");
  const [name, version] = at === -1 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)];
  const known = VARIANTS.filter((one) => one !== "baseline");
  const variant = known.find((one) => (name === undefined ? RECIPES[one].version === version : one === name));
  if (variant === undefined) throw new Error(`there is no release ${text} that the demo could deploy`);
  if (!isVersion(version) || version === RECIPES.baseline.version) {
    throw new Error(`${text}: "${version}" cannot be the version of a release that the demo deploys`);
  }
  return { version, variant };
}

/** What is in the demo's store: what is deployed, and beside it every release whose own version is still free. */
export function releasesToPack(deployed: DemoOptions["releases"]): readonly Wanted[] {
  const wanted = new Map(deployed.map((one) => [one.version, one]));
  for (const variant of VARIANTS) {
    const { version } = RECIPES[variant];
    if (variant !== "baseline" && !wanted.has(version)) wanted.set(version, { version, variant });
  }
  return [...wanted.values()];
}
