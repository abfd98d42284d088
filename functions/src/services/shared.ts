// shared: work that several callers want at the same time, done once.

/**
 * Runs `work`, or waits for what runs under the same key. A caller whose `signal` is aborted waits no longer; the work is
 * told to stop when nobody waits any more.
 */
export type Shared<R> = (
  key: string,
  signal: AbortSignal | undefined,
  work: (unwanted: AbortSignal) => Promise<R>,
) => Promise<R>;

export function createShared<R>(): Shared<R> {
  const running = new Map<string, { result: Promise<R>; unwanted: AbortController; waiting: number }>();

  return async (key, signal, work) => {
    signal?.throwIfAborted();
    let shared = running.get(key);
    if (shared === undefined) {
      const unwanted = new AbortController();
      const begun = { result: work(unwanted.signal), unwanted, waiting: 0 };
      shared = begun;
      running.set(key, begun);
      const forget = () => {
        if (running.get(key) === begun) running.delete(key);
      };
      begun.result.then(forget, forget);
      unwanted.signal.addEventListener('abort', forget);
    }
    const { result, unwanted } = shared;
    shared.waiting++;
    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(signal?.reason);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([result, gone.promise]);
    } finally {
      signal?.removeEventListener('abort', leave);
      shared.waiting--;
      if (shared.waiting === 0) unwanted.abort(new Error('Nobody waits for this any more.'));
    }
  };
}
