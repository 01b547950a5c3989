import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { messageOf } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { unknownServers } from "../operations/rollout/preconditions.ts";
import type { CliContext } from "./context.ts";
import { runbookOf } from "./read-runbook.ts";
import { EXIT } from "./output.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command.option("--runbook <file>", "instead of the configured one").action(async (options: { runbook?: string }) => {
    const sunny = await context.sunny();
    const { runbook } = await runbookOf(context, sunny, options);
    const answerOf = async (text: string, line: number | null, look: Look | undefined): Promise<Answer> => ({
      text,
      line,
      ...(look === undefined ? UNCHECKED : await look(context, sunny)),
    });
    const named = runbook.prerequisites;
    // What every deployment needs is looked at whether the runbook names it or not.
    const always: readonly (readonly [string, Look])[] = [
      ["the configured hosts", hosts],
      ["the load balancer", balancer],
    ];
    const answers = await Promise.all([
      ...named.map(({ text, line }) => answerOf(text, line, lookFor(text))),
      ...always
        .filter(([, look]) => named.every(({ text }) => lookFor(text) !== look))
        .map(([text, look]) => answerOf(text, null, look)),
    ]);
    for (const { text, line, state, message } of answers) {
      context.output.event("prerequisite", { text, line, state, message });
      context.output.text(`${state.padEnd(9)}  ${text}: ${message}`);
    }
    if (named.length === 0) context.output.text("The runbook names no prerequisites.");
    const failed = answers.filter((one) => one.state === "missing").length;
    context.output.summary({ prerequisites: answers.length, missing: failed });
    context.exit(failed === 0 ? EXIT.done : EXIT.refused);
  });
};

interface Found {
  /** "unchecked": nothing here tells; a person knows. */
  readonly state: "ok" | "missing" | "unchecked";
  readonly message: string;
}

interface Answer extends Found {
  readonly text: string;
  /** Of the runbook; null for what the configuration asks for. */
  readonly line: number | null;
}

type Look = (context: CliContext, sunny: Sunny) => Promise<Found>;

const ok = (message: string): Found => ({ state: "ok", message });
const missing = (message: string): Found => ({ state: "missing", message });

/** What is looked at, by words in the prerequisite; the first that fits. */
const LOOKS: readonly [RegExp, Look][] = [
  [/\bssh\b|\bservers?\b|\bhosts?\b/i, hosts],
  [/\bpgp\b|\bgpg\b/i, keys],
  [/\bmongo|\batlas\b/i, (_context, sunny) => Promise.resolve(otherDatabase(sunny))],
  [/\bdatabase\b|\bsql/i, database],
  [/\baws\b|\bamazon\b/i, aws],
  [/\bcircle ?ci\b/i, (context) => Promise.resolve(token(context, ["CIRCLECI_TOKEN", "CIRCLE_TOKEN"]))],
  [/\bgithub\b/i, (context) => Promise.resolve(token(context, ["GITHUB_TOKEN", "GH_TOKEN"]))],
];

const UNCHECKED: Found = { state: "unchecked", message: "nothing on this machine tells; a person knows" };

const lookFor = (text: string): Look | undefined => LOOKS.find(([words]) => words.test(text))?.[1];

/** What says of a host why it cannot be read names that host. */
async function hosts(_context: CliContext, sunny: Sunny): Promise<Found> {
  const reached = await Promise.all(
    sunny.system.hosts.map(({ name }) => sunny.reach(name).then(() => null, messageOf)),
  );
  const silent = reached.filter((why) => why !== null);
  if (silent.length === 0) return ok(`${reached.length} hosts can be reached and read`);
  return missing(silent.join("; "));
}

async function balancer(_context: CliContext, sunny: Sunny): Promise<Found> {
  const { servers, unread } = await sunny.environment();
  if (unread.length > 0) return missing(unread.join("; "));
  const unknown = unknownServers(
    sunny.system.hosts.map(({ name }) => name),
    servers,
  );
  if (unknown !== undefined) return missing(unknown);
  const refused = await sunny.requireOrders().then(() => null, messageOf);
  return refused === null ? ok(`${servers.length} servers can be read`) : missing(refused);
}

async function database(_context: CliContext, sunny: Sunny): Promise<Found> {
  const { database: spec } = sunny.system;
  return existsSync(spec.file)
    ? ok(`${spec.kind} database ${spec.file} is there`)
    : missing(`there is no file ${spec.file}`);
}

function otherDatabase({ system }: Sunny): Found {
  return {
    state: "unchecked",
    message: `the configuration's database is ${system.database.kind} ${system.database.file}`,
  };
}

async function keys({ clock }: CliContext, sunny: Sunny): Promise<Found> {
  const { readKeys } = await import("openpgp");
  const keyed = sunny.people.filter((person) => person.publicKey !== undefined);
  if (keyed.length === 0) return missing("nobody under `people` has a publicKeyFile, so nobody can approve");
  for (const person of keyed) {
    const [key] = await readKeys({ armoredKeys: person.publicKey ?? "" }).catch(() => []);
    if (key === undefined) return missing(`the public key of ${person.name} cannot be read`);
    const expires = await key.getExpirationTime();
    if (expires instanceof Date && expires.getTime() < clock.now()) {
      return missing(`the public key of ${person.name} has expired`);
    }
  }
  return ok(`public keys of ${keyed.map((person) => person.name).join(", ")}`);
}

function aws(context: CliContext): Promise<Found> {
  const { env } = context;
  const given = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  ];
  const found = given.find((name) => (env[name] ?? "") !== "");
  if (found !== undefined) return Promise.resolve(ok(`${found} is set`));
  if (existsSync(path.join(homedir(), ".aws", "credentials")))
    return Promise.resolve(ok("~/.aws/credentials is there"));
  return Promise.resolve({
    state: "unchecked",
    message: "no AWS credentials here, and nothing in the configuration uses AWS",
  });
}

function token(context: CliContext, names: readonly string[]): Found {
  const found = names.find((name) => (context.env[name] ?? "") !== "");
  if (found !== undefined) return ok(`${found} is set`);
  return { state: "unchecked", message: `${names.join(" or ")} is not set, and nothing in the configuration uses it` };
}
