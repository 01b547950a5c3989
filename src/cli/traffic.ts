import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { ServerState } from "../operations/rollout/ports.ts";
import { adminText, unreadText } from "../operations/rollout/server-text.ts";
import { runByHand } from "./by-hand.ts";
import type { Configure } from "./configure.ts";
import type { CliContext } from "./context.ts";

interface SetOptions {
  readonly state?: string;
  readonly weight?: string;
  readonly reason?: string;
}

export const configure: Configure = (command, context) => {
  command
    .description("Show what the load balancer does with each server.")
    .action(async () => show(context, await context.sunny()));
  command
    .command("set")
    .description(
      "Set a server's state or weight by hand. Refused below the configured capacity, and while a deployment has the environment.",
    )
    .argument("<server>", "the name of a host")
    .option("--state <state>", "ready, drain (no new requests, those in flight end) or maint (none at all)")
    .option("--weight <percent>", "of the server's own weight, 0 to 100")
    .option("--reason <text>", "why, for the record", "")
    .action(async (server: string, { reason = "", state, weight }: SetOptions) => {
      const change = { ...(state === undefined ? {} : { state }), ...(weight === undefined ? {} : { weight }) };
      const sunny = await context.sunny();
      await runByHand(context, sunny, {
        verb: "traffic set",
        name: "set-traffic",
        raw: { _: [server], ...change },
        reason,
      });
    });
};

async function show(context: CliContext, sunny: Sunny): Promise<void> {
  const { output } = context;
  const { servers, unread, read, probes } = await sunny.environment();
  const width = Math.max(0, ...servers.map((server) => server.name.length));
  for (const server of servers) {
    const version = probes.get(server.name)?.version ?? null;
    output.event("server", { ...server, version });
    output.text(`${server.name.padEnd(width)}  ${lineOf(server)}  ${version ?? "no answer"}`);
  }
  // What is known was shown; whoever asked learns that it is not all.
  if (unread.length > 0) {
    throw new SunnyError("LOAD_BALANCER_UNREACHABLE", unreadText(unread, read).join("; "), {
      hint: "Check that it runs, and its sockets under loadBalancer in the configuration.",
    });
  }
  output.summary({ servers: servers.length, ready: servers.filter((one) => one.admin === "ready").length });
}

function lineOf(server: ServerState): string {
  const { weightPercent, up, check, sessions, upgraded, requests, failures } = server;
  const health = up ? "up" : `down (${check})`;
  const open = upgraded === 0 ? `${sessions} in flight` : `${sessions} in flight, ${upgraded} upgraded`;
  return `${adminText(server).padEnd(5)}  weight ${String(weightPercent).padStart(3)} %  ${health.padEnd(4)}  ${open.padEnd(12)}  ${requests} requests, ${failures} failed`;
}
