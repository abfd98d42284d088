export { default } from '../../packages/sdk/generate/types.ts';
