/**
 * Metrics as protobuf, the only form in which Prometheus scrapes native histograms: MetricFamily messages, each with its
 * length before it. Source: io/prometheus/client/metrics.proto of prometheus/client_model.
 */

export type Exposed =
  | {
      readonly name: string;
      readonly kind: "counter";
      readonly labels: Readonly<Record<string, string>>;
      readonly value: number;
    }
  /** How many observations there were at which value, ascending; each gets the bucket that it falls into. */
  | { readonly name: string; readonly kind: "native"; readonly at: Readonly<Record<number, number>> };

/** Eight buckets to a factor of two. */
const SCHEMA = 3;
const COUNTER = 0;
const HISTOGRAM = 4;

export function exposition(metrics: readonly Exposed[]): Buffer {
  return Buffer.concat(
    metrics.map((metric) => {
      const family = Buffer.concat([
        bytes(1, Buffer.from(metric.name)),
        number(3, metric.kind === "counter" ? COUNTER : HISTOGRAM),
        bytes(4, metric.kind === "counter" ? counter(metric) : histogram(metric)),
      ]);
      return Buffer.concat([varint(family.length), family]);
    }),
  );
}

function counter({ labels, value }: Extract<Exposed, { kind: "counter" }>): Buffer {
  const pairs = Object.entries(labels).map(([name, text]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(name)), bytes(2, Buffer.from(text))])),
  );
  return Buffer.concat([...pairs, bytes(3, double(1, value))]);
}

function histogram({ at }: Extract<Exposed, { kind: "native" }>): Buffer {
  const buckets = Object.entries(at)
    .map(([value, count]) => ({
      index: Math.ceil(Math.log2(Number(value)) * 2 ** SCHEMA),
      value: Number(value),
      count,
    }))
    .toSorted((a, b) => a.index - b.index);
  const spans = buckets.map(({ index }, i) =>
    bytes(12, Buffer.concat([number(1, zigzag(i === 0 ? index : index - buckets[i - 1]!.index - 1)), number(2, 1)])),
  );
  const deltas = buckets.map(({ count }, i) => number(13, zigzag(i === 0 ? count : count - buckets[i - 1]!.count)));
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const seconds = buckets.reduce((sum, { value, count }) => sum + value * count, 0);
  const head = [number(1, total), double(2, seconds), number(5, zigzag(SCHEMA)), double(6, 1e-9), number(7, 0)];
  return bytes(7, Buffer.concat([...head, ...spans, ...deltas]));
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) out.push((left % 128) + 128);
  return Buffer.from([...out, left]);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return Buffer.concat([varint(field * 8 + 1), out]);
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(value.length), value]);
}
