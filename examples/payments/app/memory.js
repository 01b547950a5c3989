import v8 from "node:v8";

/** One sample a second is kept for this many seconds. */
const KEPT = 300;

/** Watches the memory of this process, so that an operator can tell a leak from a busy minute. */
export function createMemoryWatch({ limitBytes, requests }) {
  const samples = [];
  const take = () => {
    samples.push({ at: Date.now(), ...reading(), requests: requests() });
    if (samples.length > KEPT) samples.shift();
  };
  take();
  setInterval(take, 1_000).unref();
  return {
    /** What is used now and what may be used, by space of the heap, and the samples of the last minutes, oldest first. */
    report: () => {
      const heap = v8.getHeapStatistics();
      const spaces = v8
        .getHeapSpaceStatistics()
        .map((space) => ({ name: space.space_name, usedBytes: space.space_used_size }));
      return { limitBytes, ...reading(), heapLimitBytes: heap.heap_size_limit, spaces, samples };
    },
  };
}

function reading() {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { residentBytes: rss, heapUsedBytes: heapUsed, externalBytes: external };
}
