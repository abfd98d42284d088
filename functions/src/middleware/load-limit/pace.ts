// Pace: how many seconds pass from one piece of work being done to the next, where there is always more of it.

export interface Pace {
  /** The first piece of work after none. */
  begin(): void;
  /** One was done while there were so many, itself included. */
  done(of: number): void;
  /** Of late; the pause that lasts still counts, so that a standstill shows before anything is done. 0 before anything was. */
  seconds(): number;
}

/** Weight of the newest pause. */
const WEIGHT = 0.2;

/** `lanes`: how many are worked on side by side; fewer than that could have been done in less time between them. */
export function createPace(lanes: number, now: () => number = () => performance.now()): Pace {
  let last = now();
  let mean = 0;
  const pause = () => (now() - last) / 1000;
  const blended = (seconds: number) => mean + WEIGHT * (seconds - mean);
  return {
    begin() {
      last = now();
    },
    done(of) {
      mean = blended(pause() * Math.min(1, of / lanes));
      last = now();
    },
    seconds: () => blended(Math.max(mean, pause())),
  };
}
