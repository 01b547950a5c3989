/** The methods of a port that answer with a promise: what can be called before its adapter is there. */
type Answering<T> = { [K in keyof T]-?: T[K] extends (...args: never[]) => Promise<unknown> ? K : never }[keyof T];

/** Adapters that are loaded when they are first called, since a command needs few of them and loading is most of its start. */
export interface Deferral {
  /**
   * A port whose adapter `load` brings, once. `methods` names what answers with a promise, `known` is the rest, which the
   * port has at once. An adapter that cannot be loaded fails each call with its own error.
   */
  port<T extends object>(
    load: () => Promise<T>,
    methods: Readonly<Record<Answering<T>, true>>,
    ...known: keyof Omit<T, Answering<T>> extends never ? [] : [Omit<T, Answering<T>>]
  ): T;
  /** Loads every adapter now: a run must not meet another version of them days later, nor a missing one half-way. */
  all(): Promise<void>;
}

/** Nothing is loaded yet. */
export function deferral(): Deferral {
  const loads: (() => Promise<unknown>)[] = [];
  return {
    port<T extends object>(
      load: () => Promise<T>,
      methods: Readonly<Record<Answering<T>, true>>,
      ...[known]: readonly object[]
    ): T {
      let adapter: Promise<T> | undefined;
      const loaded = (): Promise<T> => (adapter ??= load());
      loads.push(loaded);
      const calls = Object.keys(methods).map((name) => [
        name,
        async (...args: unknown[]) => {
          const port = (await loaded()) as Record<string, (...args: unknown[]) => Promise<unknown>>;
          return port[name]?.(...args);
        },
      ]);
      return { ...known, ...Object.fromEntries(calls) } as T;
    },
    async all() {
      await Promise.all(loads.map((load) => load()));
    },
  };
}
