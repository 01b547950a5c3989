/**
 * A bounded set of database connections, opened when they are needed. A connection that is acquired and never released
 * is leaked: it counts until `reset`, and when all are leaked nothing can be acquired any more.
 */
export class Pool {
  #open;
  #max;
  #idleMs;
  #idle = [];
  #borrowed = new Set();
  #waiting = [];
  #generation = 0;

  /** `open()` makes a connection; idle ones beyond the first are closed after `idleMs`, default 10 s. */
  constructor({ open, max, idleMs = 10_000 }) {
    this.#open = open;
    this.#max = max;
    this.#idleMs = idleMs;
  }

  /**
   * A lease `{ connection, release() }`; waits up to `timeoutMs`, default 1 s, for one to come free. Releasing twice, or
   * after a reset, is harmless.
   */
  async acquire(timeoutMs = 1_000) {
    const connection = this.#take();
    if (connection !== undefined) return this.#lease(connection);
    const { promise, resolve, reject } = Promise.withResolvers();
    const waiter = { resolve, reject };
    this.#waiting.push(waiter);
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      reject(new PoolExhaustedError(this.#max, timeoutMs));
    }, timeoutMs);
    try {
      return this.#lease(await promise);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs `work` with a connection and gives the connection back, whatever happens. */
  async use(work, timeoutMs) {
    const lease = await this.acquire(timeoutMs);
    try {
      return work(lease.connection);
    } finally {
      lease.release();
    }
  }

  /** Closes every connection, leaked ones included, and opens one anew. Throws when that cannot be opened. */
  reset() {
    this.#generation += 1;
    const closed = this.#idle.length + this.#borrowed.size;
    for (const { connection } of this.#idle) connection.close();
    for (const connection of this.#borrowed) connection.close();
    this.#idle = [];
    this.#borrowed.clear();
    this.#idle.push({ connection: this.#open(), since: Date.now() });
    this.#serveWaiting();
    return { closed, ...this.stats() };
  }

  /** Closes idle connections that were not used for a while; called from the service's own timer. */
  trim(now = Date.now()) {
    while (this.#idle.length > 1 && now - this.#idle[0].since > this.#idleMs) this.#idle.shift().connection.close();
  }

  stats() {
    const inUse = this.#borrowed.size;
    const idle = this.#idle.length;
    return { open: inUse + idle, inUse, idle, waiting: this.#waiting.length, max: this.#max };
  }

  close() {
    this.#generation += 1;
    for (const { connection } of this.#idle) connection.close();
    for (const connection of this.#borrowed) connection.close();
    this.#idle = [];
    this.#borrowed.clear();
  }

  #take() {
    const connection = this.#idle.pop()?.connection ?? (this.#borrowed.size < this.#max ? this.#open() : undefined);
    if (connection !== undefined) this.#borrowed.add(connection);
    return connection;
  }

  #lease(connection) {
    const generation = this.#generation;
    return {
      connection,
      release: () => {
        if (generation !== this.#generation || !this.#borrowed.delete(connection)) return;
        this.#idle.push({ connection, since: Date.now() });
        this.#serveWaiting();
      },
    };
  }

  #serveWaiting() {
    while (this.#waiting.length > 0) {
      let connection;
      try {
        connection = this.#take();
      } catch (error) {
        this.#waiting.shift().reject(error);
        continue;
      }
      if (connection === undefined) return;
      this.#waiting.shift().resolve(connection);
    }
  }
}

/** All connections are in use, or were leaked. */
export class PoolExhaustedError extends Error {
  constructor(max, timeoutMs) {
    super(`no database connection came free within ${timeoutMs} ms, all ${max} are in use`);
  }
}
