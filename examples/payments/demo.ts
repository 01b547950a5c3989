/**
 * The demo: a payments system on this machine under load, and the runbook deploying releases to it. Everything that
 * it starts it ends again, also after Ctrl-C; nothing is asked. `--help` shows the options.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { systemClock } from "../../src/clock.ts";
import { messageOf } from "../../src/errors.ts";
import { loadSystem } from "../../src/system/load.ts";
import { writeConfig } from "./demo/config.ts";
import { backUp, deployRelease, type DeploymentResult } from "./demo/deployment.ts";
import { API_HOST, createEnvironment, type DemoEnvironment } from "./demo/environment.ts";
import { demoOptions, releasesToPack, USAGE, type DemoOptions } from "./demo/options.ts";
import { authorityOf } from "./demo/authority.ts";
import { renderSummary, summarise, type DemoSummary } from "./demo/summary.ts";
import { Interrupted, shown, sunnyJson } from "./demo/sunny.ts";
import { startSystem, stopSystem } from "./demo/system.ts";
import { startLoad, type Load } from "./load/process.ts";
import { reconcile } from "./load/reconcile.ts";

/** Requests that the demo serves at least, so that its figures mean something. */
const LEAST_REQUESTS = 5_000;

const clock = systemClock;
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.abort(new Error(`interrupted by ${name}`)));
}
// Nobody reads on (`npm run demo | head`): there is nobody left to show it to.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => interrupted.abort(new Error("interrupted: nobody reads the output")));
}

process.exitCode = await main();

async function main(): Promise<number> {
  if (process.argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let options: DemoOptions;
  try {
    options = demoOptions(process.argv.slice(2), process.env["INIT_CWD"] ?? process.cwd());
  } catch (error) {
    console.error(`${messageOf(error)}\n${USAGE}`);
    if (process.argv.includes("--json")) console.log(failure("usage", error).join("\n"));
    return 2;
  }
  const say = (text: string): void => void (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  const write = (lines: readonly string[]): void => {
    if (options.json) process.stdout.write(`${lines.join("\n")}\n`);
  };
  const emit = (event: Readonly<Record<string, unknown>>): void => write([JSON.stringify(event)]);
  // Its directory is known before anything is in it, so that it goes away wherever this ends.
  const directory = await mkdtemp(path.join(tmpdir(), "sunny-"));
  let environment: DemoEnvironment | undefined;
  let load: Load | undefined;
  try {
    environment = await createEnvironment({ clock, directory, releases: releasesToPack(options.releases) });
    interrupted.signal.throwIfAborted();
    const config = await writeConfig(environment, { runbook: options.runbook });
    const { system } = await loadSystem(config, environment.directory);
    const proxy = await startSystem(environment, { clock, system, authority: authorityOf(system, clock) });
    say(
      `The payments system runs 2.0.0 on ${environment.hosts.length} hosts behind https://${API_HOST} (127.0.0.1:${proxy.port}); load: ${options.rate} requests/s.`,
    );
    load = await startLoad(loadSettings(environment, proxy.port, options), () => {});
    const summary = await demonstrate(environment, config, load, options, say, emit);
    say(renderSummary(summary));
    if (options.keep) showHowToGoOn(environment, config, say);
    emit({ event: "summary", at: new Date(clock.now()).toISOString(), ...summary });
    return summary.ok ? 0 : 1;
  } catch (error) {
    if (error instanceof Interrupted) interrupted.abort(error);
    say(interrupted.signal.aborted ? "Interrupted; everything that was started is ended." : messageOf(error));
    write(failure(interrupted.signal.aborted ? "interrupted" : "failed", error));
    return interrupted.signal.aborted ? 130 : 1;
  } finally {
    await load?.stop().catch(() => {});
    const keep = options.keep && !interrupted.signal.aborted;
    if (!keep || environment === undefined) {
      if (environment !== undefined) await stopSystem(environment, clock);
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

/** The last two lines of a demo that did not come to its end: the error, and a summary as always. */
function failure(outcome: "usage" | "interrupted" | "failed", error: unknown): string[] {
  const at = new Date(clock.now()).toISOString();
  const message = messageOf(error);
  return [
    { event: "error", at, message },
    { event: "summary", at, outcome, error: message, ok: false },
  ].map((event) => JSON.stringify(event));
}

async function demonstrate(
  environment: DemoEnvironment,
  config: string,
  load: Load,
  options: DemoOptions,
  say: (text: string) => void,
  emit: (event: Readonly<Record<string, unknown>>) => void,
): Promise<DemoSummary> {
  const deployments: DeploymentResult[] = [];
  const common = { config, environment, runbook: options.runbook, json: options.json, clock, say, onEvent: emit };
  await backUp({ ...common, signal: interrupted.signal });
  for (const { version } of options.releases) {
    say(`\n== ${version}`);
    deployments.push(await deployRelease(version, { ...common, signal: interrupted.signal }));
    interrupted.signal.throwIfAborted();
  }
  while ((await load.summary()).answered < LEAST_REQUESTS) {
    await new Promise<void>((resolve) => void clock.timer(250, resolve));
    interrupted.signal.throwIfAborted();
  }
  const seen = await load.stop();
  say(`\n${shown(["audit", "verify"])}`);
  const audit = await sunnyJson(["audit", "verify"], { config, actor: "operator" });
  return summarise({
    environment,
    deployments,
    variants: new Map(options.releases.map(({ version, variant }) => [version, variant])),
    load: seen,
    ledger: reconcile(environment.ledgerFile, environment.database.file),
    auditVerified: audit.status === 0,
  });
}

function loadSettings(
  environment: DemoEnvironment,
  port: number,
  options: DemoOptions,
): Parameters<typeof startLoad>[0] {
  return {
    url: `https://${API_HOST}`,
    connect: `127.0.0.1:${port}`,
    caFile: environment.certificates.caCertFile,
    ledgerFile: environment.ledgerFile,
    ratePerSecond: options.rate,
  };
}

function showHowToGoOn(environment: DemoEnvironment, config: string, say: (text: string) => void): void {
  say(
    [
      "",
      `The system keeps running, without the load; its state directory is ${environment.directory}. Go on with it, for example:`,
      `  export SUNNY_CONFIG=${config}`,
      "  ./bin/sunny status",
      "  ./bin/sunny run verify-ssl",
      "  ./bin/sunny rollback",
      "  ./bin/sunny audit verify",
      `and end it with \`npm run demo:stop -- ${environment.directory}\`.`,
    ].join("\n"),
  );
}
