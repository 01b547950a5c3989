/** What is measured of every tool, and what it is held to. */
export interface BenchCase {
  /** After the number of hosts. */
  readonly name: string;
  /** Which of the fleet's releases is brought to the hosts, which have the one before it. */
  readonly release: 0 | 1 | 2 | 3;
  /** The only key exchange that the servers offer; undefined for what OpenSSH's client and servers agree on. */
  readonly kex?: string;
  /** No connection is open when it begins, also where the tool keeps some. */
  readonly cold?: true;
  /** Least ratio to each peer that takes part. */
  readonly bars: Readonly<Record<string, number>>;
  /** Peers that do the same job in another case, by its name, and are not asked for it twice: their ratios are told. */
  readonly told?: { readonly of: string; readonly peers: readonly string[] };
}

/**
 * In this order, on the same hosts. With curve25519 plain OpenSSH is the only peer: Capistrano and pyinfra bring an SSH of
 * their own, which knows no sntrup761, and in what ansible takes no handshake shows. Without an open connection they do what they
 * did before, since they keep none, except for ansible, which would do.
 */
export const CASES: readonly BenchCase[] = [
  { name: "", release: 0, bars: { ssh: 0.8, ansible: 5, capistrano: 1, pyinfra: 0.8 } },
  { name: ", next release", release: 1, bars: { ssh: 2.5, ansible: 15, capistrano: 4, pyinfra: 2.5 } },
  {
    name: ", next release, no open connection",
    release: 2,
    cold: true,
    bars: {},
    told: { of: ", next release", peers: ["ssh", "capistrano", "pyinfra"] },
  },
  { name: ", next release, curve25519", release: 3, cold: true, kex: "curve25519-sha256", bars: { ssh: 2.5 } },
];

/** Those that a tool takes part in: Sunny in all of them. */
export function casesOf(tool: string): readonly BenchCase[] {
  return CASES.filter((one) => tool === "sunny" || one.bars[tool] !== undefined);
}
