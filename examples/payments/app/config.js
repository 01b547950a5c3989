import path from "node:path";

/** The longest path that a unix socket can have everywhere, with the file name. */
const SOCKET_PATH_LIMIT = 103;

/**
 * Reads the settings from the environment. Throws one error that names every setting that is missing or wrong, so that
 * an operator does not have to find them one by one.
 *
 * - `PORT` (0 picks a free one), `HOST_NAME`, `DATA` (path of the database): required.
 * - `RUN_DIR`: where the admin socket is made; without it there is none.
 * - `POOL_SIZE` 8, `KEEP_ALIVE_MS` 75000, `LINGER_MS` 100, `STOP_TIMEOUT_MS` 60000.
 * - `MEMORY_LIMIT_BYTES` 256 MiB, `CPU_LIMIT_CORES` 1: what the service may use; reported, not enforced.
 * - `LOG_LEVEL` info: `debug`, `info`, `warn` or `error`.
 */
export function readConfig(env) {
  const problems = [];
  const text = (name) => {
    const value = env[name] ?? "";
    if (value === "") problems.push(`${name} is not set`);
    return value;
  };
  const number = (name, fallback, { min, max = Number.MAX_SAFE_INTEGER, whole = true }) => {
    const raw = env[name];
    if (raw === undefined || raw === "") {
      if (fallback === undefined) problems.push(`${name} is not set`);
      return fallback;
    }
    const value = Number(raw);
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      problems.push(`${name} must be ${whole ? "a whole number" : "a number"} from ${min} to ${max}`);
    }
    return value;
  };
  const config = {
    port: number("PORT", undefined, { min: 0, max: 65_535 }),
    hostName: text("HOST_NAME"),
    data: text("DATA"),
    adminSocket: env.RUN_DIR ? path.join(env.RUN_DIR, "admin.sock") : undefined,
    poolSize: number("POOL_SIZE", 8, { min: 1, max: 100 }),
    keepAliveMs: number("KEEP_ALIVE_MS", 75_000, { min: 0 }),
    lingerMs: number("LINGER_MS", 100, { min: 0, max: 10_000 }),
    stopTimeoutMs: number("STOP_TIMEOUT_MS", 60_000, { min: 100, max: 3_600_000 }),
    memoryLimitBytes: number("MEMORY_LIMIT_BYTES", 256 * 1024 * 1024, { min: 1024 * 1024 }),
    cpuLimitCores: number("CPU_LIMIT_CORES", 1, { min: 0.01, whole: false }),
    logLevel: env.LOG_LEVEL || "info",
  };
  if (!["debug", "info", "warn", "error"].includes(config.logLevel)) problems.push("LOG_LEVEL is not a level");
  if (config.adminSocket !== undefined && Buffer.byteLength(config.adminSocket) > SOCKET_PATH_LIMIT) {
    problems.push(`RUN_DIR is too long for a socket: ${config.adminSocket} has more than ${SOCKET_PATH_LIMIT} bytes`);
  }
  if (problems.length > 0) throw new Error(`the settings are incomplete: ${problems.join("; ")}`);
  return config;
}
