/** Lets a limited number of holders in at once, each by the name of what they share; first come, first served. */
export class Starts {
  readonly #held = new Map<string, number>();
  #waiters: { readonly name: string; readonly limit: number; readonly go: () => void }[] = [];

  /** Waits for a place; gives back how it is returned, once. @throws the signal's reason */
  enter(name: string, limit: number, signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        reject(signal?.reason as Error);
      };
      const waiter = {
        name,
        limit,
        go: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#leaver(name));
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#pump();
    });
  }

  #leaver(name: string): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#held.set(name, (this.#held.get(name) ?? 1) - 1);
      this.#pump();
    };
  }

  #pump(): void {
    this.#waiters = this.#waiters.filter(({ name, limit, go }) => {
      const held = this.#held.get(name) ?? 0;
      if (held >= limit) return true;
      this.#held.set(name, held + 1);
      go();
      return false;
    });
  }
}
