// /dicomweb: STOW-RS and QIDO-RS, so that a PACS can push and look up (PS3.18).
import type { OperationContext } from '../http/operation.ts';
import type { Services } from '../services/services.ts';

export function dicomwebRoutes(_context: OperationContext, _services: Services, _options: { served: boolean }): void {}
