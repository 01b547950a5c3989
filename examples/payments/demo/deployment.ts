import path from "node:path";
import { windowState } from "../../../src/gate/window.ts";
import type { Clock } from "../../../src/clock.ts";
import { parseRunbook } from "../../../src/runbook/parse.ts";
import { readFileSync } from "node:fs";
import type { DemoEnvironment } from "./environment.ts";
import { shown, sunnyJson, sunnyLive, type SunnyCall } from "./sunny.ts";

export interface DeploymentResult {
  readonly release: string;
  readonly outcome: string;
  readonly deployment: string | null;
  readonly status: number;
}

export interface DeploymentOptions {
  readonly config: string;
  readonly environment: DemoEnvironment;
  readonly runbook: string;
  readonly json: boolean;
  readonly clock: Clock;
  readonly say: (text: string) => void;
  readonly onEvent: (event: Readonly<Record<string, unknown>>) => void;
  readonly signal: AbortSignal;
}

/** Makes the backup that every night makes; without a recent one no deployment may start. */
export async function backUp(options: DeploymentOptions): Promise<void> {
  const args = ["run", "backup-databases"];
  options.say(shown(args));
  const { config, onEvent, signal } = options;
  const result = await sunnyJson(args, { config, actor: "dba", onEvent: options.json ? onEvent : () => {}, signal });
  if (result.status !== 0)
    throw new Error(`sunny run backup-databases exited with ${result.status}: ${result.stderr.trim()}`);
}

/** Plans a release, gives what people would give, and deploys it: the calls that an operator and a CTO make. */
export async function deployRelease(version: string, options: DeploymentOptions): Promise<DeploymentResult> {
  const { config, environment, onEvent, say, signal } = options;
  const call = (actor: string): SunnyCall => ({ config, actor, onEvent: options.json ? onEvent : () => {}, signal });
  const plan = path.join(environment.directory, `plan-${version}.json`);
  const step = async (actor: string, args: readonly string[]): Promise<void> => {
    say(shown(args));
    const result = await sunnyJson(args, call(actor));
    if (result.status !== 0) throw new Error(`sunny ${args[0]} exited with ${result.status}: ${result.stderr.trim()}`);
  };
  await step("operator", ["plan", "--release", version, "--reason", `demo of ${version}`, "--out", plan]);
  say("The demo's operator attests the gates that no check is bound to on this machine; they are shown as attested.");
  const keys = environment.people;
  await step("operator", ["attest", plan, "--all", "--note", "demo", "--key", keys.operator.privateKeyFile]);
  const { runbook } = parseRunbook(readFileSync(options.runbook, "utf8"), options.runbook);
  const state = windowState(runbook.windows, options.clock.now());
  if (!state.open && state.overrides.length > 0) {
    say("No maintenance window is open: the CTO's key, which the demo made, approves the exception.");
    await step("cto", ["approve", plan, "--window-override", "--role", "CTO", "--key", keys.cto.privateKeyFile]);
  }
  return carryOut(version, plan, options, call("operator"));
}

async function carryOut(
  version: string,
  plan: string,
  options: DeploymentOptions,
  call: SunnyCall,
): Promise<DeploymentResult> {
  const args = ["deploy", "--plan", plan];
  options.say(shown(args));
  if (options.json) {
    const { status, summary } = await sunnyJson(args, call);
    const deployment = typeof summary["deployment"] === "string" ? summary["deployment"] : null;
    return {
      release: version,
      outcome: typeof summary["outcome"] === "string" ? summary["outcome"] : "failed",
      deployment,
      status,
    };
  }
  const status = await sunnyLive(args, call);
  const outcome = { 0: "succeeded", 1: "refused", 3: "rolled-back", 4: "held" }[status] ?? "failed";
  return { release: version, outcome, deployment: null, status };
}
