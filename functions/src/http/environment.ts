// AppEnvironment: what middleware and routes keep on a request.
import type { Principal } from '../services/access.ts';

export type AppEnvironment = {
  Variables: {
    requestId: string;
    principal: Principal | null;
    /** Path pattern of the operation, for logs and metrics: never the path itself, which may hold keys. */
    route: string;
    /** What to blame for a 500; logged, never sent. */
    defect: unknown;
  };
};
