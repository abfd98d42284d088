// The WebAssembly kernel, compiled once per thread.
import { KERNEL_BASE64 } from './kernel.gen.ts';

export interface Kernel {
  /** Scores of the `count` rows whose numbers (uint32) stand at byte `rows`, as float32 at byte `out`; row 0 lies at byte `base`. */
  dotRows(query: number, base: number, stride: number, rows: number, count: number, out: number): void;
}

let module: WebAssembly.Module | undefined;

export function instantiateKernel(memory: WebAssembly.Memory): Kernel {
  module ??= new WebAssembly.Module(Buffer.from(KERNEL_BASE64, 'base64'));
  return new WebAssembly.Instance(module, { index: { memory } }).exports as unknown as Kernel;
}
