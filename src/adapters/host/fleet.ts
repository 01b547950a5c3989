import { TerminalError } from "../../engine/context.ts";
import type { Activation, Confirmation, Fleet } from "../../operations/rollout/ports.ts";
import { hostAccess } from "./access.ts";
import type { HostAccess, HostFleetOptions } from "./access.ts";
import { deliver } from "./deliver.ts";
import { parseHostState } from "./host-state.ts";
import { probeService } from "./probe.ts";
import { activateScript, confirmScript, revertScript, serviceScript } from "./script-activate.ts";
import { adoptScript, raiseFenceScript, readScript, serviceLogScript, usageScript } from "./script-read.ts";
import { installScript, pruneScript } from "./script-release.ts";
import { fromField } from "./shell.ts";
import { parseUsage, releasesToPrune } from "./usage.ts";

const CHANGE_MS = 60_000;
const INSTALL_MS = 600_000;

type Reading = Pick<Fleet, "read" | "probe" | "usage" | "serviceLog">;
type Releases = Pick<Fleet, "install" | "prune" | "raiseFence" | "adopt">;
type Activations = Pick<Fleet, "activate" | "confirm" | "revert">;
type Services = Pick<Fleet, "restart" | "stop" | "start">;

/** The hosts of a system, driven by scripts over a transport. */
export function hostFleet(options: HostFleetOptions): Fleet {
  const access = hostAccess(options);
  const reading = readingOf(access);
  return {
    ...reading,
    ...releasesOf(access, reading),
    ...activationsOf(access, reading),
    ...servicesOf(access, reading),
  };
}

function readingOf(access: HostAccess): Reading {
  const { system, clock } = access;
  const control = system.serviceControl;
  const unit = control.kind === "systemd" ? { name: control.unit, user: control.scope === "user" } : null;
  return {
    async read(host, signal) {
      return parseHostState(host, await access.read(host, readScript(access.place(host)), signal));
    },
    probe(host, signal) {
      const { address, port } = access.spec(host);
      return probeService({ ...system.health, address, port }, clock, signal);
    },
    async usage(host, signal) {
      return parseUsage(await access.read(host, usageScript(access.place(host), unit), signal));
    },
    async serviceLog(host, lines, signal) {
      const output = await access.read(host, serviceLogScript(access.place(host), lines), signal);
      return output.split("\n").filter((line) => line !== "");
    },
  };
}

function releasesOf(access: HostAccess, reading: Reading): Releases {
  return {
    async install(host, release, scope) {
      const { deliveries } = access;
      if (deliveries !== undefined && access.spec(host).connection.kind !== "local") {
        return deliver(access, deliveries, host, release, scope);
      }
      const before = await reading.read(host, scope.signal);
      if (before.releases.some((one) => one.id === release.id)) return { installed: false };
      const found = await access.releases.find(release.id).catch((error: unknown) => {
        if (!(error instanceof TerminalError)) throw error;
        throw new TerminalError(error.code, `${host}: ${error.message}`, { host }, { cause: error });
      });
      const stored = found.find((one) => one.digest === release.digest);
      if (stored === undefined) {
        const message = `${host}: the archive of release ${release.id} is not in the store`;
        throw new TerminalError("RELEASE_UNKNOWN", message, { host });
      }
      const script = installScript(access.place(host), access.fence(scope), stored);
      const how = { deadlineMs: INSTALL_MS, stays: true, payloadPath: stored.archivePath };
      const output = await access.change(host, script, scope, how);
      return { installed: /^installed yes$/m.test(output) };
    },
    async prune(host, order, scope) {
      const ids = releasesToPrune(await reading.read(host, scope.signal), order);
      const script = pruneScript(access.place(host), access.fence(scope), ids);
      const output = await access.change(host, script, scope, { deadlineMs: CHANGE_MS, stays: true });
      return { removed: [...output.matchAll(/^removed (.+)$/gm)].map((match) => match[1] ?? "") };
    },
    async raiseFence(host, scope, withinMs = CHANGE_MS) {
      await access.change(host, raiseFenceScript(access.place(host), access.fence(scope)), scope, {
        deadlineMs: withinMs,
        stays: true,
      });
    },
    async adopt(host, scope) {
      const script = adoptScript(access.place(host), access.fence(scope));
      const output = await access.change(host, script, scope, { deadlineMs: CHANGE_MS, stays: true });
      return { from: fromField(/^from (.+)$/m.exec(output)?.[1] ?? "-") };
    },
  };
}

function activationsOf(access: HostAccess, reading: Reading): Activations {
  const how = { deadlineMs: CHANGE_MS + access.stopMs };
  return {
    async activate(host, releaseId, order, scope): Promise<Activation> {
      const script = activateScript(access.place(host), access.fence(scope), { ...order, releaseId });
      const output = await withServiceLog(reading, host, () => access.change(host, script, scope, how));
      const [, state, reason] = /^state (pending|confirmed|reverted) ?(.*)$/m.exec(output) ?? [];
      if (state === undefined)
        throw new TerminalError("HOST_SCRIPT_FAILED", `${host}: the activation did not tell its state`, { host });
      return { turn: order.turn, releaseId, state: state as Activation["state"], reason: reason ?? "" };
    },
    async confirm(host, { turn, exposureMs = null }, scope): Promise<Confirmation> {
      const checkpoint = access.checkpoint?.() ?? null;
      const confirm = (stays: boolean): Promise<string> => {
        const order = { turn, exposureMs, checkpoint, stays };
        // The first hosts of a rollout are exposures: a release that locks Sunny out must not be kept.
        const options = { ...how, fresh: exposureMs !== null, stays };
        return access.change(host, confirmScript(access.place(host), access.fence(scope), order), scope, options);
      };
      const answer = await confirm(exposureMs === null);
      // What has to start the service again must not share its group.
      const output = /^state rebooted$/m.test(answer) ? await confirm(false) : answer;
      const reverted = /^state reverted ?(.*)$/m.exec(output);
      return reverted === null ? { state: "confirmed" } : { state: "reverted", reason: reverted[1] ?? "" };
    },
    async revert(host, scope) {
      const output = await access.change(host, revertScript(access.place(host), access.fence(scope)), scope, how);
      return { reverted: /^reverted yes$/m.test(output) };
    },
  };
}

function servicesOf(access: HostAccess, reading: Reading): Services {
  const how = { deadlineMs: CHANGE_MS + access.stopMs };
  const run = (action: "restart" | "stop" | "start"): Fleet["restart"] => {
    return async (host, scope) => {
      const script = serviceScript(access.place(host), access.fence(scope), action);
      await withServiceLog(reading, host, () => access.change(host, script, scope, how));
    };
  };
  return { restart: run("restart"), stop: run("stop"), start: run("start") };
}

/** A service that does not start says why in its log: the last lines come with the error. */
async function withServiceLog<T>(reading: Reading, host: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TerminalError) || error.code !== "SERVICE_START_FAILED") throw error;
    const log = await reading.serviceLog(host, 10).catch(() => []);
    const tail = log.length === 0 ? "" : `; its log ends with: ${log.slice(-3).join(" | ")}`;
    throw new TerminalError(error.code, `${error.message}${tail}`, { host, log: [...log] }, { cause: error });
  }
}
