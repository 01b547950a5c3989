/** Upper edges of the latency histogram, seconds; alert thresholds can be stated at an edge only. */
export const EDGES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10];

/**
 * A histogram of request durations by method, route and status. `known` are series that exist from the start with zero,
 * so that a process that has served nothing yet shows zero and not nothing.
 */
export class RequestHistogram {
  #name;
  #help;
  #series = new Map();

  constructor(name, help, known = []) {
    this.#name = name;
    this.#help = help;
    for (const labels of known) this.#of(labels);
  }

  observe(labels, seconds) {
    const series = this.#of(labels);
    const index = EDGES.findIndex((edge) => seconds <= edge);
    series.counts[index === -1 ? EDGES.length : index] += 1;
    series.sum += seconds;
  }

  /** Everything observed so far, in the Prometheus text format. */
  render() {
    const lines = head(this.#name, this.#help, "histogram");
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        const le = index === EDGES.length ? "+Inf" : String(EDGES[index]);
        lines.push(sample(`${this.#name}_bucket`, { ...labels, le }, total));
      }
      lines.push(sample(`${this.#name}_sum`, labels, sum), sample(`${this.#name}_count`, labels, total));
    }
    return lines;
  }

  #of({ method, route, status }) {
    const key = `${method} ${route} ${status}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      const labels = { method, route, status: String(status) };
      series = { labels, counts: Array.from({ length: EDGES.length + 1 }, () => 0), sum: 0 };
      this.#series.set(key, series);
    }
    return series;
  }
}

/** Lines for one metric that has one value: `kind` is "gauge" or "counter". */
export function single(name, help, kind, value, labels = {}) {
  return [...head(name, help, kind), sample(name, labels, value)];
}

/** CPU, memory and heap of this process, and what it may use. */
export function processMetrics({ memoryLimitBytes, cpuLimitCores }, startedAt) {
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();
  return [
    ...single("process_cpu_seconds_total", "User and system CPU time.", "counter", (cpu.user + cpu.system) / 1e6),
    ...single("process_resident_memory_bytes", "Resident memory.", "gauge", memory.rss),
    ...single("process_start_time_seconds", "Start of the process, Unix time.", "gauge", startedAt / 1000),
    ...single("payments_memory_limit_bytes", "Memory that the service may use.", "gauge", memoryLimitBytes),
    ...single("payments_cpu_limit_cores", "CPU cores that the service may use.", "gauge", cpuLimitCores),
    ...single("nodejs_heap_size_total_bytes", "Heap that V8 holds.", "gauge", memory.heapTotal),
    ...single("nodejs_heap_size_used_bytes", "Heap in use.", "gauge", memory.heapUsed),
    ...single("nodejs_external_memory_bytes", "Memory of buffers outside the heap.", "gauge", memory.external),
  ];
}

function head(name, help, kind) {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`];
}

function sample(name, labels, value) {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escapeLabel(text) {
  return String(text)
    .replaceAll("\\", "\\\\")
    .replaceAll('"', String.raw`\"`)
    .replaceAll("\n", String.raw`\n`);
}
