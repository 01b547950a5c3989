/** One request in this many forgets to give its connection back. */
const PERIOD = 20;

let seen = 0;
let pool;

/** A defect: now and then a connection is taken for a look-up and never given back, until there is none left. */
export const forgottenConnections = {
  name: "forgotten-connections",
  prepare(parts) {
    pool = parts.pool;
  },
  async middleware(_request, next) {
    seen += 1;
    if (seen % PERIOD === 0) {
      const { connection } = await pool.acquire();
      connection.get("SELECT 1");
    }
    return next();
  },
};
