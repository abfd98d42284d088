// The WebAssembly kernel, compiled once per thread.
import { KERNEL_BASE64 } from './kernel.gen.ts';

export interface Kernel {
  /** Writes the code, of `codeBytes`, of the vector of so many bytes at byte `vector`. */
  encode(vector: number, bytes: number, code: number, codeBytes: number): void;
  /**
   * Of the `count` rows whose numbers (uint32) stand at byte `rows`, writes to byte `kept` those whose score may reach `floor`, in another order, and says
   * how many. The query is a `FirstLook` with its codes at byte `query`; the code of row 0 lies at byte `codes`.
   */
  mayReach(
    floor: number,
    query: number,
    unit: number,
    perError: number,
    perLength: number,
    codes: number,
    groupBytes: number,
    stride: number,
    rows: number,
    count: number,
    kept: number,
  ): number;
  /** Scores of the `count` rows whose numbers stand at byte `rows`, as float32 at byte `out`; the vector of row 0 lies at byte `vectors`. */
  dotRows(
    query: number,
    vectors: number,
    groupBytes: number,
    stride: number,
    rows: number,
    count: number,
    out: number,
  ): void;
}

let module: WebAssembly.Module | undefined;

export function instantiateKernel(memory: WebAssembly.Memory): Kernel {
  module ??= new WebAssembly.Module(Buffer.from(KERNEL_BASE64, 'base64'));
  return new WebAssembly.Instance(module, { index: { memory } }).exports as unknown as Kernel;
}
