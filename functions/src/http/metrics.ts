// Metrics: counters in the Prometheus text format, version 0.0.4.
export interface Metrics {
  observe(method: string, route: string, status: number, seconds: number): void;
  render(gauges: Record<string, { help: string; value: number }>): string;
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const durations = new Map<string, { counts: number[]; sum: number; count: number }>();
  return {
    observe(method, route, status, seconds) {
      const labels = `method="${method}",route="${route}"`;
      const key = `${labels},status="${status}"`;
      requests.set(key, (requests.get(key) ?? 0) + 1);
      const histogram = durations.get(labels) ?? { counts: BUCKETS.map(() => 0), sum: 0, count: 0 };
      histogram.sum += seconds;
      histogram.count++;
      for (const [i, limit] of BUCKETS.entries())
        if (seconds <= limit) histogram.counts[i] = (histogram.counts[i] ?? 0) + 1;
      durations.set(labels, histogram);
    },
    render(gauges) {
      const lines = ['# HELP versamammo_requests_total Requests answered.', '# TYPE versamammo_requests_total counter'];
      for (const [labels, count] of requests) lines.push(`versamammo_requests_total{${labels}} ${count}`);
      lines.push('# HELP versamammo_request_seconds Time to answer.', '# TYPE versamammo_request_seconds histogram');
      for (const [labels, { counts, sum, count }] of durations) {
        for (const [i, limit] of BUCKETS.entries())
          lines.push(`versamammo_request_seconds_bucket{${labels},le="${limit}"} ${counts[i] ?? 0}`);
        lines.push(`versamammo_request_seconds_bucket{${labels},le="+Inf"} ${count}`);
        lines.push(
          `versamammo_request_seconds_sum{${labels}} ${sum}`,
          `versamammo_request_seconds_count{${labels}} ${count}`,
        );
      }
      for (const [name, { help, value }] of Object.entries(gauges))
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`);
      return `${lines.join('\n')}\n`;
    },
  };
}
