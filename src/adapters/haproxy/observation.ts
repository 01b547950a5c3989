import type { ServerState } from "../../operations/rollout/ports.ts";

/** One load balancer, as it answered. */
export interface Observation {
  readonly pid: number;
  readonly uptimeS: number;
  readonly servers: readonly ObservedServer[];
}

export interface ObservedServer extends Omit<ServerState, "admin"> {
  readonly admin: "ready" | "drain" | "maint";
  /** The weight of the configuration, of which `weightPercent` is a part. */
  readonly configuredWeight: number;
  /** An agent beside the service is asked for state and weight, and what it says is done. */
  readonly agent: boolean;
}

/** Forced, inherited, configured, unresolved, host name changed: srv_admin_state (management.txt, "show servers state"). */
const MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
/** CHK_ST_ENABLED: configured, and not disabled since (`disable agent`). */
const AGENT_ENABLED = 0x04;
/** Forced and inherited. */
const DRAIN = 0x08 | 0x10;

/**
 * Reads the answer to `observeCommand`. Columns are found by their names, since every version adds some. What was
 * ordered is in the admin mask and not in the status, which for a drained server that died is DOWN.
 *
 * @throws SyntaxError when a part is missing
 */
export function parseObservation(answer: string): Observation {
  const info = infoOf(answer);
  const stats = new Map(statRows(answer).map((row) => [row["svname"] ?? "", row]));
  const servers = stateRows(answer).map((state): ObservedServer => {
    const name = state["srv_name"] ?? "";
    const stat = stats.get(name);
    if (stat === undefined) throw new SyntaxError(`"show stat" has no server ${name}`);
    return serverOf(name, state, stat);
  });
  return { pid: number(info["Pid"]), uptimeS: number(info["Uptime_sec"]), servers };
}

type Row = Readonly<Record<string, string>>;

function serverOf(name: string, state: Row, stat: Row): ObservedServer {
  const mask = number(state["srv_admin_state"]);
  const configuredWeight = number(state["srv_iweight"]);
  const status = stat["check_status"] ?? "";
  // "* " before it: a check is running, and this is the one before.
  const result = status.replace(/^\* /, "");
  const checked = result === "" || /^L[467]OK/.test(result);
  return {
    name,
    admin: (mask & MAINTENANCE) !== 0 ? "maint" : (mask & DRAIN) !== 0 ? "drain" : "ready",
    up: number(state["srv_op_state"]) > 0 && checked,
    check: checkText(result, stat),
    weightPercent:
      configuredWeight === 0 ? 100 : Math.min(100, Math.round((number(state["srv_uweight"]) * 100) / configuredWeight)),
    configuredWeight,
    agent: (number(state["srv_agent_state"]) & AGENT_ENABLED) !== 0,
    sessions: Math.max(number(stat["scur"]) + number(stat["qcur"]), number(stat["used_conn_cur"])),
    upgraded: 0,
    requests: number(stat["stot"]),
    failures: number(stat["econ"]) + number(stat["eresp"]) + number(stat["hrsp_5xx"]),
  };
}

function checkText(result: string, stat: Row): string {
  if (result === "") return "no check";
  const code = stat["check_code"] ?? "";
  const said = [stat["last_chk"], stat["check_desc"]].find((text) => text !== undefined && text !== "");
  if (code !== "") return `${result}/${code}`;
  return said === undefined || /^L\dOK/.test(result) ? result : `${result}: ${said}`;
}

function infoOf(answer: string): Row {
  if (!/^Pid: \d+$/m.test(answer)) throw new SyntaxError('"show info" has no Pid');
  return Object.fromEntries([...answer.matchAll(/^(Pid|Uptime_sec|Version): (.*)$/gm)].map((m) => [m[1], m[2]]));
}

/** CSV with a header that begins with `# `; fields with commas or quotes are quoted as in RFC 4180. */
function statRows(answer: string): Row[] {
  const lines = answer.split("\n");
  const at = lines.findIndex((line) => line.startsWith("# pxname,"));
  if (at < 0) throw new SyntaxError('"show stat" has no header');
  const names = (lines[at] ?? "").slice(2).split(",");
  return rowsAfter(lines, at).map((line) => rowOf(names, csvFields(line)));
}

/** Fields between blanks, under a header that begins with `# `. */
function stateRows(answer: string): Row[] {
  const lines = answer.split("\n");
  const at = lines.findIndex((line) => line.startsWith("# be_id "));
  if (at < 0) throw new SyntaxError('"show servers state" has no header');
  const names = (lines[at] ?? "").slice(2).split(" ");
  return rowsAfter(lines, at).map((line) => rowOf(names, line.split(" ")));
}

function rowsAfter(lines: readonly string[], header: number): string[] {
  const end = lines.indexOf("", header);
  return lines.slice(header + 1, end < 0 ? undefined : end);
}

function rowOf(names: readonly string[], fields: readonly string[]): Row {
  return Object.fromEntries(names.map((name, at) => [name, fields[at] ?? ""]));
}

function csvFields(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    (match) => match[1]?.replaceAll('""', '"') ?? match[2] ?? "",
  );
}

function number(text: string | undefined): number {
  const value = Number(text ?? "");
  return Number.isFinite(value) ? value : 0;
}

/**
 * How many sessions of a server are upgraded connections, which HAProxy only tunnels: both directions are in state
 * MSG_TUNNEL then. From the answer to `show sess all`.
 */
export function countUpgraded(answer: string, path: { readonly backend: string; readonly server: string }): number {
  const sessions = answer.split(/^(?=0x[0-9a-f]+: )/m);
  return sessions.filter(
    (session) =>
      new RegExp(`^ {2}backend=${RegExp.escape(path.backend)} `, "m").test(session) &&
      new RegExp(`^ {2}server=${RegExp.escape(path.server)} `, "m").test(session) &&
      /\brsp\.st=MSG_TUNNEL\b/.test(session),
  ).length;
}
