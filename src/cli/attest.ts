import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import path from "node:path";
import { SunnyError } from "../errors.ts";
import { acceptSigned, acceptUnsigned, createAttestation, describeAttestation } from "../gate/attestation.ts";
import { clearSign } from "../gate/pgp.ts";
import type { Sunny } from "../main.ts";
import type { Plan, PlanGate } from "../plan/model.ts";
import { Secret } from "../secret.ts";
import { closest } from "../system/closest.ts";
import type { CliContext } from "./context.ts";
import { planOfReference } from "./plan-ref.ts";
import { wakeWaiting } from "./wake.ts";
import type { Configure } from "./configure.ts";

interface Options {
  readonly gate?: readonly string[];
  readonly all?: boolean;
  readonly note?: string;
  readonly key?: string;
}

export const configure: Configure = (command, context) => {
  command
    .argument("[plan]", "a plan file, a digest, or a deployment (default: the one that waits)")
    .option("--gate <gate...>", "ids or texts of gates (default: list those that need it)")
    .option("--all", "every gate that needs it")
    .option("--note <text>", "what you looked at", "")
    .option("--key <file>", "sign with this armoured PGP private key; needed when you have one in the configuration")
    .action((reference: string | undefined, options: Options) => attest(context, reference, options));
};

async function attest(context: CliContext, reference: string | undefined, options: Options): Promise<void> {
  const sunny = await context.sunny();
  const plan = planOfReference(context, sunny, reference);
  const open = plan.gates.filter((gate) => gate.binding.kind === "attest");
  if (options.all !== true && options.gate === undefined) return list(context, open);
  const chosen = options.all === true ? open : (options.gate ?? []).map((wanted) => gateOf(open, wanted));
  for (const gate of chosen) {
    const how = await attestOne(context, sunny, plan, gate, options);
    sunny.record(context.actor, "gate.attested", "success", plan, { gate: gate.id, how, note: options.note ?? "" });
    context.output.event("attested", { gate: gate.id, how });
    context.output.text(`${gate.text}: ${how}`);
  }
  wakeWaiting(sunny, plan, context.actor);
  context.output.summary({ digest: plan.digest, attested: chosen.map((gate) => gate.id) });
}

function list(context: CliContext, open: readonly PlanGate[]): void {
  if (open.length === 0) context.output.text("Every gate of this plan has a check; nothing is attested.");
  for (const gate of open) {
    const roles = gate.binding.kind === "attest" ? gate.binding.roles : [];
    const who = roles.includes("*") ? "anybody who is named in the configuration" : roles.join(" or ");
    context.output.text(`${gate.id}\n    ${gate.text} (${who})`);
  }
  if (open.length > 0) context.output.note("Attest with `--gate ID...` or `--all`; `--as NAME` says who you are.");
  context.output.summary({ gates: open.map((gate) => gate.id) });
}

function gateOf(open: readonly PlanGate[], wanted: string): PlanGate {
  const found = open.find((gate) => gate.id === wanted || gate.text === wanted);
  if (found !== undefined) return found;
  const near = closest(
    wanted,
    open.map((gate) => gate.id),
  );
  throw new SunnyError(
    "USAGE",
    `No gate "${wanted}" is to be attested${near === undefined ? "" : `; did you mean "${near}"?`}`,
    {
      hint: "`sunny attest PLAN` lists them.",
    },
  );
}

async function attestOne(
  context: CliContext,
  sunny: Sunny,
  plan: Plan,
  gate: PlanGate,
  options: Options,
): Promise<string> {
  if (gate.binding.kind !== "attest") throw new Error("the gate has a check");
  const { roles, validMs } = gate.binding;
  const now = context.clock.now();
  const held = { people: sunny.people, roles, digest: plan.digest, environment: plan.environment, gate: gate.id, now };
  const text = createAttestation({
    digest: plan.digest,
    environment: plan.environment,
    gate: gate.id,
    name: context.actor,
    note: options.note ?? "",
    issuedAt: now,
    expiresAt: now + validMs,
  });
  if (options.key === undefined) {
    const osUser = userInfo().username;
    const recorded = acceptUnsigned(text, osUser, held);
    sunny.statements.add(plan.digest, { kind: "attestation", gate: gate.id, text, osUser });
    return describeAttestation(recorded);
  }
  const phrase = context.env["SUNNY_KEY_PASSPHRASE"];
  const key = readFileSync(path.resolve(context.cwd, options.key), "utf8");
  const secret = phrase === undefined ? undefined : new Secret(phrase, "passphrase of the attesting person's key");
  const signed = await clearSign(text, key, now, secret);
  const recorded = await acceptSigned(signed, held);
  sunny.statements.add(plan.digest, { kind: "attestation", gate: gate.id, signed });
  return describeAttestation(recorded);
}
