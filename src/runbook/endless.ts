import { hasOption } from "./invocation.ts";
import type { Invocation } from "./invocation.ts";

type Test = (args: readonly string[], call: Invocation) => boolean;

const always: Test = () => true;
const verb = (args: readonly string[]): string => args.find((arg) => !arg.startsWith("-")) ?? "";
const follows: Test = (args) => hasOption(args, "-f", "--follow");
const exact = (args: readonly string[], ...names: string[]): boolean => args.some((arg) => names.includes(arg));

const container: Test = (args) =>
  (args.includes("logs") &&
    follows(
      args.filter((arg) => arg !== "logs"),
      NOTHING,
    )) ||
  (verb(args) === "stats" && !exact(args, "--no-stream")) ||
  verb(args) === "events" ||
  (args.includes("up") && args.some((arg) => /compose/.test(arg)) && !hasOption(args, "-d", "--detach", "--wait"));

const compose: Test = (args) =>
  (verb(args) === "logs" && follows(args, NOTHING)) ||
  (verb(args) === "up" && !hasOption(args, "-d", "--detach", "--wait"));

/** An interval without a count after it: `vmstat 1`. */
const sampler: Test = (args) => args.filter((arg) => /^\d+$/.test(arg)).length === 1;

const NOTHING: Invocation = { program: "", args: [], at: 0, end: 0, bounded: false, fed: false, assigns: false };

/** Programs that run until somebody stops them, and with which arguments they do. */
const ENDLESS: Readonly<Record<string, Test>> = {
  watch: always,
  yes: always,
  stern: always,
  kail: always,
  nodemon: always,
  tail: (args) => hasOption(args, "-f", "-F", "--follow"),
  dmesg: (args) => hasOption(args, "-w", "--follow"),
  journalctl: follows,
  kubectl: (args) =>
    (verb(args) === "logs" && exact(args, "-f", "--follow", "--follow=true")) ||
    (verb(args) === "get" && exact(args, "-w", "--watch", "--watch=true")) ||
    ["port-forward", "proxy"].includes(verb(args)),
  docker: container,
  podman: container,
  "docker-compose": compose,
  ping: (args) => !hasOption(args, "-c", "-w"),
  tcpdump: (args) => !hasOption(args, "-c"),
  vmstat: sampler,
  iostat: sampler,
  mpstat: sampler,
  mongostat: (args) => !exact(args, "--rowcount", "-n"),
  mongotop: (args) => !exact(args, "--rowcount", "-n"),
  inotifywait: (args) => hasOption(args, "-m", "--monitor"),
  sleep: (args) => args.includes("infinity"),
  nc: (args) => hasOption(args, "-l") && hasOption(args, "-k"),
  "redis-cli": (args) => args.some((arg) => arg.toLowerCase() === "monitor"),
  ssh: (args) => hasOption(args, "-N") && !hasOption(args, "-f"),
  pm2: (args) => verb(args) === "monit" || (verb(args) === "logs" && !exact(args, "--nostream")),
  heroku: (args) => args.some((arg) => arg.startsWith("logs")) && exact(args, "--tail", "-t"),
  aws: (args) => args[0] === "logs" && args[1] === "tail" && exact(args, "--follow"),
  npm: (args) => verb(args) === "start" || /^run (?:start|dev|serve|watch)$/.test(args.join(" ")),
  yarn: (args) => ["start", "dev", "serve", "watch"].includes(verb(args)),
  python: (args) => args.includes("http.server") || args.includes("runserver"),
  python3: (args) => args.includes("http.server") || args.includes("runserver"),
};

/** True when the program would never end by itself. */
export function neverEnds(call: Invocation): boolean {
  if (call.bounded || !Object.hasOwn(ENDLESS, call.program)) return false;
  return ENDLESS[call.program]?.(call.args, call) ?? false;
}

const hasTerminalFlag = (args: readonly string[]): boolean =>
  args.some((arg) => /^-(?:it|ti|t|i)$/.test(arg) && /t/.test(arg)) || exact(args, "--tty");
const inContainer: Test = (args) =>
  (["exec", "run", "debug"].includes(verb(args)) && hasTerminalFlag(untilSeparator(args))) ||
  ["attach", "edit"].includes(verb(args));
const noInput =
  (...options: string[]): Test =>
  (args, call) =>
    !call.fed && !hasOption(args, ...options);
const bare: Test = (args, call) => !call.fed && args.every((arg) => /^-(?:i|l|il|li|-login)$/.test(arg));

function untilSeparator(args: readonly string[]): readonly string[] {
  const separator = args.indexOf("--");
  return separator === -1 ? args : args.slice(0, separator);
}

/** Programs that wait for a person, and with which arguments they do. */
const INTERACTIVE: Readonly<Record<string, Test>> = {
  ...Object.fromEntries(
    "vi vim nvim nano pico emacs htop btop passwd visudo mc less more man".split(" ").map((name) => [name, always]),
  ),
  less: (_args, call) => !call.fed,
  more: (_args, call) => !call.fed,
  top: (args) => !(hasOption(args, "-b") && hasOption(args, "-n")),
  crontab: (args) => exact(args, "-e"),
  kubectl: inContainer,
  oc: inContainer,
  docker: inContainer,
  podman: inContainer,
  psql: noInput("-c", "-f", "-l", "--command", "--file", "--list"),
  mysql: noInput("-e", "--execute"),
  mariadb: noInput("-e", "--execute"),
  mongosh: (args, call) =>
    !call.fed && !hasOption(args, "-f", "--eval", "--file") && !args.some((arg) => arg.endsWith(".js")),
  mongo: (args, call) => !call.fed && !hasOption(args, "--eval") && !args.some((arg) => arg.endsWith(".js")),
  sqlite3: (args, call) => !call.fed && args.filter((arg) => !arg.startsWith("-")).length < 2,
  "redis-cli": (args, call) =>
    !call.fed && args.every((arg, index) => arg.startsWith("-") || /^-[hpanu]$/.test(args[index - 1] ?? "")),
  python: bare,
  python3: bare,
  node: bare,
  irb: bare,
  bash: bare,
  sh: bare,
  zsh: bare,
  sudo: (args) => hasOption(args, "-i", "-s"),
  su: (args, call) => !call.fed && !hasOption(args, "-c", "--command"),
  read: (args, call) => !call.fed && args.length > 0,
  rails: (args) => ["console", "c", "dbconsole"].includes(args[0] ?? ""),
  git: (args) =>
    (args[0] === "rebase" && hasOption(args, "-i", "--interactive")) ||
    (args[0] === "add" && hasOption(args, "-p", "-i", "--patch", "--interactive")) ||
    (args[0] === "commit" && !hasOption(args, "-m", "-F", "-C", "--message", "--file", "--no-edit")),
  terraform: (args) => args[0] === "console",
  gh: (args) => args[0] === "auth" && args[1] === "login" && !exact(args, "--with-token"),
  aws: (args) => args[0] === "configure" && args.length === 1,
  gcloud: (args) => args[0] === "auth" && args[1] === "login",
  tmux: always,
  screen: always,
};

/** True when the program would wait for a person. */
export function waitsForPerson(call: Invocation): boolean {
  return Object.hasOwn(INTERACTIVE, call.program) && (INTERACTIVE[call.program]?.(call.args, call) ?? false);
}

const SLEEP_UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** How long a `sleep` lasts, in seconds; 0 for any other program. */
export function sleepSeconds(call: Invocation): number {
  if (call.program !== "sleep") return 0;
  return call.args.reduce((sum, arg) => {
    const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(arg);
    return sum + Number(match?.[1] ?? 0) * (SLEEP_UNITS[match?.[2] ?? ""] ?? 0);
  }, 0);
}
