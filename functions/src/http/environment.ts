// AppEnvironment: what middleware and routes keep on a request.
import type { Principal } from '../services/access.ts';

export type AppEnvironment = {
  Variables: {
    requestId: string;
    /** Pattern of the path, for logs and metrics: never the path itself, which may hold keys. Null where there is no such route. */
    route: string | null;
    /** operationId; null for what is open to everybody, and for what there is not. */
    action: string | null;
    /** Null until the API key is checked, or where it is not valid: then `refusal` says why. */
    principal: Principal | null;
    refusal: unknown;
    /** What the audit line names: an id of ours, or a key that is known to exist. */
    objectId: string | null;
    /** Does what only waits, without a place among the requests in flight meanwhile. */
    aside: <T>(wait: () => Promise<T>) => Promise<T>;
    /** What to blame for a 500; logged, never sent. */
    defect: unknown;
  };
};
