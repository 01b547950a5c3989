import { remoteInspector, requestOnHost } from "../adapters/host/remote-look.ts";
import { localAdminCall, type AdminCall } from "../adapters/http/service-admin.ts";
import { localInspector } from "../adapters/process/host-inspector.ts";
import type { Clock } from "../clock.ts";
import type { HostInspector } from "../operations/security/ports.ts";
import type { Transports } from "./transports.ts";

/** Looks at hosts from inside: directly where they are folders of this machine, else by scripts. */
export function inspectorOf(transports: Transports, authority: string): HostInspector {
  const local = localInspector();
  const remote = remoteInspector((host) => transports.commands(host, authority));
  const of = (host: string): HostInspector => (transports.place(host).connection.kind === "local" ? local : remote);
  return {
    files: (host, paths, signal) => of(host).files(host, paths, signal),
    sockets: (host, folder, signal) => of(host).sockets(host, folder, signal),
    listeners: (host, pid, signal) => of(host).listeners(host, pid, signal),
    logTails: (host, folder, bytes, signal) => of(host).logTails(host, folder, bytes, signal),
  };
}

/** Asks the administrative interface of a service where its socket is; what changes something, under the host's fence. */
export function adminCallOf(transports: Transports, authority: string, clock: Clock): AdminCall {
  const local = localAdminCall(clock);
  return (request, by) =>
    transports.place(request.host).connection.kind === "local"
      ? local(request, by)
      : requestOnHost(transports.commands(request.host, authority), request, by);
}
