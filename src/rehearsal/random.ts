import { sha256 } from "../json.ts";

/** Numbers that look like chance and are the same for the same seed. */
export interface Random {
  /** From 0 up to, without, 1. */
  next(): number;
  /** A whole number from 0 up to, without, `below`. */
  int(below: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** A stream of its own for every seed and label, so that one decision more does not change all the others. */
export function randomOf(seed: number | string, label = ""): Random {
  const digest = sha256(`${seed}/${label}`);
  let [a, b, c, d] = [0, 8, 16, 24].map((at) => Number.parseInt(digest.slice(at, at + 8), 16)) as [
    number,
    number,
    number,
    number,
  ];
  // sfc32 of PractRand, https://pracrand.sourceforge.net/
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return { next, int, chance: (probability) => next() < probability, pick: (items) => items[int(items.length)]! };
}
