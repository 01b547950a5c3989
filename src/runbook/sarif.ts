import { DIAGNOSTICS } from "./catalogue.ts";
import type { Diagnostic, DiagnosticCode, Severity } from "./diagnostic.ts";

const LEVELS: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  info: "note",
};

/** A SARIF 2.1.0 log (OASIS standard) with one run; columns are UTF-16 code units, as SARIF has them by default. */
export function renderSarif(diagnostics: readonly Diagnostic[]): string {
  const codes = [...new Set(diagnostics.map((one) => one.code))].toSorted();
  const log = {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "sunny", rules: codes.map(toRule) } },
        columnKind: "utf16CodeUnits",
        results: diagnostics.map((one) => toResult(one, codes.indexOf(one.code))),
      },
    ],
  };
  return JSON.stringify(log, null, 2);
}

function toRule(code: DiagnosticCode): Record<string, unknown> {
  const entry = DIAGNOSTICS[code];
  return {
    id: code,
    shortDescription: { text: entry.title },
    fullDescription: { text: entry.meaning },
    help: { text: entry.remedy },
    defaultConfiguration: { level: LEVELS[entry.severity] },
  };
}

function toResult(one: Diagnostic, ruleIndex: number): Record<string, unknown> {
  const [source] = one.excerpt.split("\n");
  const region = {
    startLine: one.line,
    startColumn: one.column,
    endColumn: one.endColumn,
    ...(source === undefined || source === "" ? {} : { snippet: { text: source } }),
  };
  return {
    ruleId: one.code,
    ruleIndex,
    level: LEVELS[one.severity],
    message: { text: `${one.message} ${one.remedy}` },
    locations: [{ physicalLocation: { artifactLocation: { uri: toUri(one.file) }, region } }],
  };
}

/** A relative reference stays one; everything that a URI cannot hold is escaped. */
function toUri(file: string): string {
  const path = file.toWellFormed().replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/");
  return path.startsWith("/") ? `file://${path}` : path;
}
