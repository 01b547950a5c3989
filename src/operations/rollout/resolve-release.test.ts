import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError } from "../../engine/context.ts";
import type { HostState, ReleaseSource } from "./ports.ts";
import { resolveTarget } from "./resolve-release.ts";
import type { SurveyedHost } from "./survey.ts";

function host(name: string, ...versions: readonly string[]): SurveyedHost {
  const releases = versions.map((version) => ({ id: `${version}-aaaaaaaaaaaa`, version }));
  return { host: name, state: { releases, previous: null } as unknown as HostState, probe: null, problem: "" };
}

test("a store whose archive is damaged keeps nobody from going back to what hosts have, and else says that it is", async () => {
  const damaged = new TerminalError("RELEASE_ARCHIVE_ALTERED", "2.0.0.tar.gz has 9 bytes instead of 10");
  const store: ReleaseSource = { find: () => Promise.reject(damaged) };
  const target = (wanted: string, hosts: readonly SurveyedHost[]) =>
    resolveTarget(wanted, { previous: null }, hosts, store);
  assert.deepEqual(await target("2.0.0", [host("web-1", "2.0.0", "2.1.0"), host("web-2", "2.0.0")]), {
    id: "2.0.0-aaaaaaaaaaaa",
    version: "2.0.0",
    ref: null,
  });
  await assert.rejects(target("2.0.0", [host("web-1", "2.1.0")]), {
    code: "RELEASE_UNKNOWN",
    message: /^no host and no store has .* 2\.0\.0; hosts have 2\.1\.0; in the store: 2\.0\.0\.tar\.gz has 9 bytes/,
  });
});
