// Turnstile: requests begin one in each turn of the event loop, and after the connections that are waiting to be accepted.

/**
 * Node accepts one connection in each turn of its event loop. Where a turn begins many requests it takes long, and whoever
 * comes meanwhile waits in the kernel, unseen: nobody can even tell them to come back. Behind a turnstile a turn is short.
 *
 * @example
 * const turnstile = createTurnstile();
 * server.on('connection', turnstile.arrived);
 * await turnstile.enter();
 */
export interface Turnstile {
  /** A connection was accepted: behind it there may be others. */
  arrived(): void;
  /** Resolves when it is the caller's turn. */
  enter(): Promise<void>;
}

/** Connections that go before one request, as long as they keep coming. */
const CONNECTIONS_FIRST = 8;

export function createTurnstile(): Turnstile {
  const line: (() => void)[] = [];
  let accepted = 0;
  /** Of `accepted`, those known at the last turn. */
  let seen = 0;
  let turning = false;

  function turn(): void {
    const more = accepted > seen && accepted < CONNECTIONS_FIRST;
    seen = accepted;
    if (!more) {
      accepted = seen = 0;
      line.shift()?.();
    }
    turning = line.length > 0;
    if (turning) setImmediate(turn);
  }

  return {
    arrived() {
      accepted++;
    },
    enter: () =>
      new Promise((resolve) => {
        line.push(resolve);
        if (!turning) setImmediate(turn);
        turning = true;
      }),
  };
}
