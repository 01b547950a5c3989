import { closeSync, readFileSync, writeSync } from "node:fs";
import { systemClock } from "../../clock.ts";
import { isSunnyError, messageOf } from "../../errors.ts";
import { proxyConfigSchema } from "./config.ts";
import { runProxy } from "./proxy.ts";

/*
 * The embedded proxy as a process of its own: `proxy-main CONFIG.json`. It outlives whoever started it; descriptor 3 gets
 * one line of JSON when it is up or could not come up. SIGTERM and the control socket end it gracefully.
 */

const GRACE_MS = 10_000;

function report(outcome: object): void {
  try {
    writeSync(3, `${JSON.stringify(outcome)}\n`);
    closeSync(3);
  } catch {
    // Nobody waits for it.
  }
}

async function main(configFile: string): Promise<void> {
  const config = proxyConfigSchema.parse(JSON.parse(readFileSync(configFile, "utf8")));
  let ending = false;
  const shutdown = (): void => {
    if (ending) return;
    ending = true;
    void proxy.close(GRACE_MS).then(() => process.exit(0));
  };
  const proxy = await runProxy(config, systemClock, shutdown);
  process.on("SIGTERM", shutdown);
  // A terminal's Ctrl-C is meant for whoever started the proxy, not for the traffic.
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});
  report({ ok: true, pid: process.pid, port: proxy.port });
}

process.title = "sunny-proxy";
try {
  await main(process.argv[2] ?? "");
} catch (error) {
  const code = isSunnyError(error) ? error.code : "PROXY_START_FAILED";
  process.stderr.write(`${code}  ${messageOf(error)}\n`);
  report({ ok: false, code, message: messageOf(error) });
  process.exit(1);
}
