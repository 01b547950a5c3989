import { z } from "zod";

/** One object of the configuration: where it stands, and its keys. */
interface Section {
  readonly path: string;
  readonly about: string;
  readonly rows: string[];
}

/**
 * docs/reference/config.md, from the schema and the comments in its source. Keys, types, bounds and defaults come from the
 * schema itself, what they mean from the doc comment above each.
 */
export function configPage(schema: z.ZodType, source: string): string {
  const comments = commentsIn(source);
  const sections: Section[] = [];
  describeObject({ schema, path: "", about: "", root: "systemSchema", within: "" }, comments, sections);
  const lines = [
    "# The configuration",
    "",
    "`sunny.config.ts`, `.js`, `.mjs` or `.json` beside the runbook or in a folder above describes the system that is deployed",
    "to; `--config FILE` and `SUNNY_CONFIG` name another. A module exports it as its default. It is validated before anything",
    "is done: a wrong key is refused with its place and, where one is near, the key that was probably meant.",
    "",
    "- Durations are milliseconds and end in `Ms`. Relative paths are relative to the file.",
    "- Secrets are named, never written down: the evaluated configuration is part of a plan's digest.",
    "- A resumed deployment uses what was frozen with its plan, and never evaluates the file again.",
    "",
    "In TypeScript the type checks the file while you write it:",
    "",
    "```ts",
    'import type { SystemConfig } from "./path/to/sunny/src/system/schema.ts";',
    "",
    'export default { service: "payments" /* ... */ } satisfies SystemConfig;',
    "```",
    "",
    "This page is generated from `src/system/schema.ts` by `tools/docs.ts`.",
  ];
  for (const { path, about, rows } of sections) {
    lines.push("", path === "" ? "## Keys" : `## \`${path}\``);
    if (about !== "") lines.push("", about);
    lines.push("", "| key | type | default | meaning |", "|---|---|---|---|", ...rows);
  }
  return `${lines.join("\n")}\n`;
}

/** What keys mean that mean the same wherever they stand. */
const COMMON: Readonly<Record<string, string>> = {
  address: "Where SSH reaches the host.",
  args: "What the operation is given.",
  argv: "The program and its arguments; no shell reads them.",
  backend: "The backend in the load balancer's configuration.",
  caFile: "PEM certificates to trust instead of the system's.",
  channels: "Where notices go.",
  connect: "`ip:port` that is connected to instead.",
  connection: "How the host is reached.",
  dir: "The directory.",
  email: "For notices.",
  env: "Environment variable that holds the secret.",
  identityFile: "SSH key; without one the agent and the user's defaults.",
  instances: "By host; where it is missing, `address:port`.",
  jump: "Host to go through, as `ssh -J` takes it.",
  kind: "Which of them it is.",
  knownHostsFile: "Pinned host keys; without one the user's known_hosts files decide.",
  maxAttempts: "How often in all.",
  name: "How it is called.",
  perSecond: "How many of its units make a second.",
  path: "Path of the file, or of the page on the host.",
  port: "TCP port.",
  roles: "In which roles a person may vouch for it.",
  root: "The directory that belongs to Sunny on the host.",
  scope: "Whose systemd manager runs the unit.",
  secret: "Key that signs what is sent.",
  socket: "The proxy's control socket.",
  start: "Starts the service.",
  status: "Exits with 0 while the service runs.",
  stop: "Stops the service.",
  timeoutMs: "How long an answer may take.",
  unit: "The systemd unit.",
  url: "Where it is sent.",
  user: "SSH user.",
  validMs: "How long what was said counts.",
};

interface At {
  readonly schema: z.ZodType;
  /** As users read it: `hosts[].connection`. */
  readonly path: string;
  readonly about: string;
  /** The constant in the source in which its keys stand, and the path within that. */
  readonly root: string;
  readonly within: string;
}

function describeObject(at: At, comments: Comments, sections: Section[]): void {
  const { inner } = unwrap(at.schema);
  for (const [variant, object] of variantsOf(inner)) {
    const rows: string[] = [];
    const below: At[] = [];
    for (const [key, value] of Object.entries(object.shape)) {
      const place = at.within === "" ? key : `${at.within}.${key}`;
      const { text, refers } = comments.get(`${at.root} ${place}`) ?? { text: "", refers: undefined };
      const { inner: type, suffix } = elementOf(value);
      const nested = type instanceof z.ZodObject || type instanceof z.ZodDiscriminatedUnion;
      rows.push(row(key, value, text === "" ? (COMMON[key] ?? "") : text));
      if (!nested) continue;
      const path = `${at.path === "" ? "" : `${at.path}.`}${key}${suffix}`;
      const root = refers ?? at.root;
      below.push({ schema: type, path, about: "", root, within: refers === undefined ? place : "" });
    }
    const path = variant === "" ? at.path : `${at.path} with kind: "${variant}"`;
    if (rows.length > (variant === "" ? 0 : 1)) sections.push({ path, about: at.about, rows });
    for (const one of below) describeObject(one, comments, sections);
  }
}

function variantsOf(schema: z.ZodType): [string, z.ZodObject][] {
  if (schema instanceof z.ZodObject) return [["", schema]];
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return [];
  return (schema.options as z.ZodObject[]).map((one) => [literal(one), one]);
}

function literal(object: z.ZodObject): string {
  const kind = (object.shape as Record<string, unknown>)["kind"];
  return kind instanceof z.ZodLiteral ? String(kind.value) : "";
}

function row(key: string, schema: z.ZodType, text: string): string {
  const { standard, optional } = unwrap(schema);
  const fallback = standard === undefined ? (optional ? "none" : "required") : `\`${JSON.stringify(standard)}\``;
  const cells = [`\`${key}\``, typeOf(schema), fallback === "`{}`" ? "as below" : fallback, text];
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
}

interface Unwrapped {
  readonly inner: z.ZodType;
  readonly standard: unknown;
  readonly optional: boolean;
  readonly nullable: boolean;
}

function unwrap(schema: z.ZodType): Unwrapped {
  let inner: unknown = schema;
  let standard: unknown;
  let optional = false;
  let nullable = false;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      standard = inner.def.defaultValue;
      inner = inner.unwrap();
    } else if (inner instanceof z.ZodOptional) {
      optional = true;
      inner = inner.unwrap();
    } else if (inner instanceof z.ZodNullable) {
      nullable = true;
      inner = inner.unwrap();
    } else {
      return { inner: inner as z.ZodType, standard, optional, nullable };
    }
  }
}

/** What stands in a list or a map, with how its path is written. */
function elementOf(schema: z.ZodType): { readonly inner: z.ZodType; readonly suffix: string } {
  const { inner } = unwrap(schema);
  if (inner instanceof z.ZodArray) return { inner: unwrap(inner.element as z.ZodType).inner, suffix: "[]" };
  if (inner instanceof z.ZodRecord) return { inner: unwrap(inner.valueType as z.ZodType).inner, suffix: ".*" };
  return { inner, suffix: "" };
}

function typeOf(schema: z.ZodType): string {
  const { inner, nullable } = unwrap(schema);
  return nullable ? `${named(inner)} or null` : named(inner);
}

function named(schema: z.ZodType): string {
  if (schema instanceof z.ZodArray) {
    const least = schema.def.checks?.length === undefined ? "" : ", at least one";
    return `list of ${typeOf(schema.element as z.ZodType)}${least}`;
  }
  if (schema instanceof z.ZodRecord) return `map to ${typeOf(schema.valueType as z.ZodType)}`;
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return variantsOf(schema)
      .map(([kind]) => `\`kind: "${kind}"\``)
      .join(" or ");
  }
  if (schema instanceof z.ZodObject) return "object";
  if (schema instanceof z.ZodEnum) return schema.options.map((one) => `\`"${String(one)}"\``).join(" or ");
  if (schema instanceof z.ZodLiteral) return `\`${JSON.stringify(schema.value)}\``;
  if (schema instanceof z.ZodNumber) return numeric(schema);
  if (schema instanceof z.ZodBoolean) return "true or false";
  const format = (schema as { format?: string | null }).format;
  return format === "url" ? "URL" : format === "email" ? "e-mail address" : format === "regex" ? "name" : "text";
}

function numeric(schema: z.ZodNumber): string {
  const kind = schema.isInt ? "whole number" : "number";
  const { minValue, maxValue } = schema;
  const from = minValue === null || minValue <= Number.MIN_SAFE_INTEGER ? null : minValue;
  const to = maxValue === null || maxValue >= Number.MAX_SAFE_INTEGER ? null : maxValue;
  if (from !== null && to !== null) return `${kind}, ${from} to ${to}`;
  return from === null ? kind : `${kind}, at least ${from}`;
}

interface Comment {
  readonly text: string;
  /** The constant that the key's schema is made of. */
  readonly refers: string | undefined;
}

/** By constant and path within it: `rollout canaryHosts`, `systemSchema health.path`. */
type Comments = ReadonlyMap<string, Comment>;

/** Reads the doc comments above the keys of a schema's source, which the formatter keeps indented by two. */
function commentsIn(source: string): Comments {
  const found = new Map<string, Comment>();
  const constants = new Set([...source.matchAll(/^(?:export )?const (\w+) =/gm)].map((match) => match[1] ?? ""));
  let root = "";
  let pending = "";
  let keys: { name: string; indent: number }[] = [];
  for (const line of source.split("\n")) {
    const constant = /^(?:export )?const (\w+) =/.exec(line)?.[1];
    if (constant !== undefined) [root, keys, pending] = [constant, [], ""];
    const [, open, rest = ""] = /^\s*(\/\*\*|\*(?!\/)|\*\/) ?(.*?)(?:\*\/)?$/.exec(line) ?? [];
    if (open !== undefined) {
      if (open !== "*/") pending = `${open === "/**" ? "" : `${pending} `}${rest.trim()}`.trim();
      continue;
    }
    const [, indent = "", key, value = ""] = /^(\s+)(\w+)(?::\s*(.*)|,)$/.exec(line) ?? [];
    if (key === undefined) {
      if (/\w/.test(line)) pending = "";
      continue;
    }
    keys = [...keys.filter((one) => one.indent < indent.length), { name: key, indent: indent.length }];
    const refers = [...(value === "" ? key : value).matchAll(/\b(\w+)\b/g)]
      .map((match) => match[1] ?? "")
      .find((word) => constants.has(word));
    const path = keys.map((one) => one.name).join(".");
    const known = found.get(`${root} ${path}`);
    found.set(`${root} ${path}`, { text: pending === "" ? (known?.text ?? "") : pending, refers });
    pending = "";
  }
  return found;
}
