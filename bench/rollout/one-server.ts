/** Services for more hosts than a machine has memory for processes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import path from "node:path";
import process from "node:process";

/** A service that is a file on its host, and one process that answers for all of those that run. */
export function oneServer(): { serve(root: string, address: string, port: number): void; close(): void } {
  const servers = new Map<string, Server>();
  const script = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
  start) cp current/VERSION shared/runs.new && mv shared/runs.new shared/runs ;;
  stop) rm -f shared/runs ;;
  status) [ -e shared/runs ] && echo ${process.pid} ;;
esac
`;
  return {
    serve(root, address, port) {
      mkdirSync(path.join(root, "shared", "log"), { recursive: true });
      writeFileSync(path.join(root, "service"), script, { mode: 0o755 });
      servers.get(address)?.close();
      const server = createServer((_, response) => {
        const file = path.join(root, "shared", "runs");
        if (existsSync(file)) response.end(JSON.stringify({ version: readFileSync(file, "utf8").trim() }));
        else response.destroy();
      });
      servers.set(address, server.listen(port, address));
    },
    close() {
      for (const server of servers.values()) server.close();
    },
  };
}
