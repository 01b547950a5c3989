import { RetryableError, TerminalError } from "../../engine/context.ts";
import type { StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { HaproxyEndpoint } from "./endpoint.ts";

/** The host of a load balancer: runs POSIX scripts there, whose refusals come as errors with the script's own code. */
export interface SocketHost {
  read(script: string, signal?: AbortSignal): Promise<string>;
  /** Under the host's lock, after it was checked that nobody has seen a newer fence. */
  change(script: string, scope: StepScope): Promise<string>;
}

const POLL_MS = 500;
const BETWEEN = "@sunny-answer";

/**
 * Writes to the socket with the first program of the host that can: socat, perl (part of every Debian), python3, or a
 * netcat that knows `-U`. POSIX has none.
 */
const TALK = String.raw`talk() {
  if command -v socat >/dev/null 2>&1; then
    socat -t 10 - "UNIX-CONNECT:$socket"
  elif command -v perl >/dev/null 2>&1; then
    perl -MSocket -e '$| = 1; socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un($ARGV[0])) or die "$!\n";
      select((select(S), $| = 1)[0]); print S $_ while <STDIN>; print while <S>' "$socket"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read())
while True:
    b = s.recv(65536)
    if not b: break
    sys.stdout.buffer.write(b)' "$socket"
  elif nc -h 2>&1 | grep -q -- '-U'; then
    nc -U "$socket"
  else
    fail HAPROXY_SOCKET_TOOL_MISSING "there is neither socat nor perl, python3 or nc -U to write to $socket"
  fi
}
say() {
  # What it prints keeps its last empty line with a character behind it.
  said=$(printf '%s\n' "$1" | { talk 2>&1 && echo .; }) || fail LOAD_BALANCER_UNREACHABLE "$socket: $said"
  [ "$said" != . ] || fail LOAD_BALANCER_UNREACHABLE "$socket: it closed the connection without an answer"
  said=${"$"}{said%.}
  printf '${BETWEEN}\n%s' "$said"
}`;

/** What socat writes before the reason: time, process and call, different each time. */
const SOCAT = /\d{4}\/\d\d\/\d\d [\d:.]+ socat\[\d+\] [A-Z] (?:\w+\(.*\): )?/;

/** The socket of a load balancer on another host, whose lock refuses whoever has been superseded. */
export function hostEndpoint(name: string, path: string, host: SocketHost): HaproxyEndpoint {
  // Colons and commas separate options of socat.
  if (!/^\/[\w@%+=./ -]*$/.test(path)) throw new TypeError(`${JSON.stringify(path)} cannot be the path of a socket`);
  return {
    name,
    target: "fenced",
    pollMs: POLL_MS,
    async ask(command, signal) {
      return (await answers(name, host.read(sayScript(path, [command]), signal)))[0] ?? "";
    },
    async order(commands, scope) {
      return answers(name, host.change(sayScript(path, commands), scope));
    },
  };
}

/** Says one command after the other, until one is answered with more than nothing. */
export function sayScript(path: string, commands: readonly string[]): string {
  const each = commands.map((command, at) => {
    const last = at === commands.length - 1;
    return last
      ? `say ${quote(command)}`
      : `say ${quote(command)}\n[ -z "$(printf %s "$said" | tr -d '\\n')" ] || return 0`;
  });
  return [`socket=${quote(path)}`, TALK, ...each].join("\n");
}

async function answers(name: string, output: Promise<string>): Promise<string[]> {
  const text = await output.catch((error: unknown) => {
    throw translated(name, error);
  });
  return text.split(`${BETWEEN}\n`).slice(1);
}

/** What a host refuses is the load balancer's refusal to whoever deploys. */
function translated(name: string, error: unknown): unknown {
  const code = (error as { code?: string }).code;
  const message = `${name}: ${messageOf(error).replace(SOCAT, "")}`;
  if (code === "HOST_FENCED") return new TerminalError("LOAD_BALANCER_FENCED", message, null, { cause: error });
  const unreachable = code === "LOAD_BALANCER_UNREACHABLE" || error instanceof RetryableError;
  return unreachable ? new RetryableError("LOAD_BALANCER_UNREACHABLE", message, { cause: error }) : error;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
