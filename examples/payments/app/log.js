const LEVELS = { debug: 10, info: 20, warn: 30, error: 40 };

/**
 * One JSON object a line on stdout. Callers pass named facts, never request bodies, headers or raw URLs: a card number
 * can only be kept out of a log by not letting free text in.
 */
export function createLog({ level = "info", base = {}, write = (line) => process.stdout.write(line) }) {
  const emit = (name, event, facts) => {
    if (LEVELS[name] < LEVELS[level]) return;
    write(`${JSON.stringify({ at: new Date().toISOString(), level: name, event, ...base, ...facts })}\n`);
  };
  return {
    debug: (event, facts) => emit("debug", event, facts),
    info: (event, facts) => emit("info", event, facts),
    warn: (event, facts) => emit("warn", event, facts),
    error: (event, facts) => emit("error", event, facts),
  };
}
