// A progress bar with the time left on a terminal; a line now and then elsewhere.

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const LOG_EVERY_MS = 10_000;

export interface Progress {
  /** `total`: where it has grown meanwhile. */
  update(done: number, note?: string, total?: number): void;
  end(note?: string): void;
}

/** Writes to `stream` (stderr, so that piped output stays clean). */
export function progress(stream: NodeJS.WriteStream, title: string, expected: number): Progress {
  let total = expected;
  const start = performance.now();
  const interval = stream.isTTY ? REDRAW_MS : LOG_EVERY_MS;
  let last = 0;
  const draw = (done: number, note: string) => {
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const seconds = (performance.now() - start) / 1000;
    const left = done > 0 && share < 1 ? `, ${duration((seconds / done) * (total - done))} left` : '';
    const text = `${title} ${done}/${total}${left}${note === '' ? '' : `  ${note}`}`;
    if (!stream.isTTY) stream.write(`${text}\n`);
    else {
      const full = Math.round(share * BAR_WIDTH);
      stream.write(`\r\u001b[K${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${text}`.slice(0, stream.columns + 4));
    }
  };
  return {
    update(done, note = '', known = total) {
      total = known;
      const now = performance.now();
      // The last one is for `end`.
      if (now - last < interval || done === total) return;
      last = now;
      draw(done, note);
    },
    end(note) {
      draw(total, note ?? `in ${duration((performance.now() - start) / 1000)}`);
      if (stream.isTTY) stream.write('\n');
    },
  };
}

/** 75 → "1m15s". */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
}
