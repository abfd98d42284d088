// Pace: how many seconds pass from one piece of work being done to the next, while there is work.

export interface Pace {
  /** The first piece of work after none. */
  begin(): void;
  done(): void;
  /** Of late; the pause that lasts still counts, so that a standstill shows before anything is done. 0 before anything was. */
  seconds(): number;
}

/** Weight of the newest pause. */
const WEIGHT = 0.2;

export function createPace(now: () => number = () => performance.now()): Pace {
  let last = now();
  let mean = 0;
  const pause = () => (now() - last) / 1000;
  const blended = (seconds: number) => mean + WEIGHT * (seconds - mean);
  return {
    begin() {
      last = now();
    },
    done() {
      mean = blended(pause());
      last = now();
    },
    seconds: () => blended(Math.max(mean, pause())),
  };
}
