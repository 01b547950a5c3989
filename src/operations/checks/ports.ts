import type { MetricSource } from "../../analysis/metrics.ts";
import type { Rule } from "../../analysis/rule.ts";
import type { Clock } from "../../clock.ts";
import type { ReleaseRef } from "../../operation.ts";
import type { Backups, DatabaseProbe } from "../database/ports.ts";
import type { HttpClient } from "../http/ports.ts";
import type { Fleet, LoadBalancer } from "../rollout/ports.ts";
import type { CertificateFiles, TlsProbe } from "../tls/ports.ts";

/** One reading of the memory of the service on a host. */
export interface MemorySample {
  /** Milliseconds since the epoch, by the host's clock. */
  readonly at: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** Buffers and the like outside of the heap. */
  readonly externalBytes: number;
  /** Requests served since the start; tells a leak from growing traffic. */
  readonly requests: number;
}

/** What a service says of its own memory. */
export interface MemoryReading {
  /** What the service may use. */
  readonly limitBytes: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
  /** The last minutes, oldest first, as the service kept them. */
  readonly samples: readonly MemorySample[];
}

/** The administrative interface of the service on each host. */
export interface MemoryAdmin {
  /** @throws RetryableError SERVICE_ADMIN_UNREACHABLE */
  memory(host: string, signal?: AbortSignal): Promise<MemoryReading>;
}

/** Proves signature and digest of a release's archive. */
export interface ReleaseVerifier {
  /** @throws with what is wrong with it */
  verify(release: ReleaseRef): Promise<void>;
}

/** What is watched, and where the figures come from. */
export interface Monitored {
  readonly source: MetricSource;
  /** Those of the runbook; empty when it states no threshold. */
  readonly rules: readonly Rule[];
  /** Why a rule cannot be watched, or the source not be read, one sentence each; empty when all is well. */
  readonly problems: readonly string[];
}

/** How the service is watched. */
export interface Monitoring {
  /** Rules and source as they are now: asks every host once. */
  monitored(signal?: AbortSignal): Promise<Monitored>;
  /** Whether this process watches the run at hand; null when no run is to be watched. */
  watching(): Promise<boolean | null>;
}

/** What the checks need of the world. */
export interface CheckPorts {
  readonly clock: Clock;
  readonly fleet: Pick<Fleet, "read" | "probe">;
  readonly loadBalancer: Pick<LoadBalancer, "read">;
  readonly backups: Pick<Backups, "list" | "damage">;
  readonly database: DatabaseProbe;
  readonly certificates: Pick<CertificateFiles, "read">;
  readonly tls: TlsProbe;
  readonly releases: ReleaseVerifier;
  readonly memory: MemoryAdmin;
  readonly http: HttpClient;
  readonly monitoring: Monitoring;
}
