// The WebAssembly module of dcmjs-codecs (libjpeg, CharLS, OpenJPEG, OpenJPH) behind one synchronous call.
//
// The package's own loader is asynchronous, keeps one instance for ever and drops the decoders' warnings. Here an instance
// is made on first use and replaced after an error or once it has grown, and a warning about damaged data is an error.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ImagingError } from '../errors.ts';
import { borrow } from '../scratch.ts';

export type WasmCodec = 'DecodeJpeg' | 'DecodeJpegLs' | 'DecodeJpeg2000' | 'DecodeHtJpeg2000';

/** What the codestream's own header says, checked against the data set before the codec runs. */
export interface CodestreamShape {
  rows: number;
  columns: number;
  components: number;
  /** Bits per sample of the codestream, 2 to 16. */
  precision: number;
  signed: boolean;
}

type Exports = Record<string, (...numbers: number[]) => number> & { memory: WebAssembly.Memory };

/** A context or parameter object that the module could not make. */
const OUT_OF_MEMORY = /alloc|memory|abort/i;
/** Messages that libjpeg, OpenJPEG and OpenJPH send when data are damaged but they go on regardless. */
const DAMAGED =
  /corrupt|premature end|truncat|too short|not enough|missing|inconsistent|unexpected end|instead of|expected \w+ marker/i;
/** Beyond this the instance is dropped after use: WebAssembly memory never shrinks. */
const KEEP_MEMORY_BYTES = 256 * 2 ** 20;

let compiled: WebAssembly.Module | undefined;
let instance: Exports | undefined;
let complaints: string[] = [];

/**
 * Decodes one codestream. Returns samples as the codec gives them: bytes where `precision` ≤ 8, else little-endian 16-bit
 * words; components interleaved. Throws `ImagingError` `corrupt` where the codec errs, warns of damage or gives another size.
 */
export function decodeWithWasm(codec: WasmCodec, codestream: Uint8Array, shape: CodestreamShape): Uint8Array {
  try {
    const samples = run(codec, codestream, shape);
    const complaint = complaints.find((message) => DAMAGED.test(message));
    if (complaint !== undefined) throw new Error(complaint);
    const expected = shape.rows * shape.columns * shape.components * (shape.precision <= 8 ? 1 : 2);
    if (samples.byteLength !== expected)
      throw new Error(`${samples.byteLength} bytes were decoded where ${expected} belong`);
    return samples;
  } catch (cause) {
    instance = undefined;
    if (cause instanceof RangeError || (cause instanceof Error && OUT_OF_MEMORY.test(cause.message)))
      throw new ImagingError('over-limit', 'The compressed pixel data need more memory than there is.', { cause });
    throw new ImagingError('corrupt', 'The compressed pixel data are damaged. Send the original file again.', {
      cause,
    });
  } finally {
    complaints = [];
    if (instance !== undefined && instance.memory.buffer.byteLength > KEEP_MEMORY_BYTES) instance = undefined;
  }
}

function run(codec: WasmCodec, codestream: Uint8Array, shape: CodestreamShape): Uint8Array {
  instance ??= instantiate();
  const api = instance;
  const call = (name: string, ...numbers: number[]) => {
    const exported = api[name];
    if (exported === undefined) throw new Error(`the codec module has no ${name}`);
    return exported(...numbers);
  };
  const context = call('CreateCodecsContext');
  const parameters = call('CreateDecoderParameters');
  call('SetColumns', context, shape.columns);
  call('SetRows', context, shape.rows);
  call('SetBitsAllocated', context, shape.precision <= 8 ? 8 : 16);
  call('SetBitsStored', context, shape.precision);
  call('SetSamplesPerPixel', context, shape.components);
  call('SetPixelRepresentation', context, shape.signed ? 1 : 0);
  call('SetPlanarConfiguration', context, 0);
  call('SetPhotometricInterpretation', context, 1);
  call('SetEncodedBufferSize', context, codestream.byteLength);
  new Uint8Array(api.memory.buffer).set(codestream, call('GetEncodedBuffer', context));
  call('SetConvertColorspaceToRgb', parameters, 0);
  call(codec, context, parameters);
  const start = call('GetDecodedBuffer', context);
  const size = call('GetDecodedBufferSize', context);
  const samples = new Uint8Array(borrow(size), 0, size);
  samples.set(new Uint8Array(api.memory.buffer, start, size));
  call('ReleaseDecoderParameters', parameters);
  call('ReleaseCodecsContext', context);
  return samples;
}

function instantiate(): Exports {
  const require = createRequire(import.meta.url);
  compiled ??= new WebAssembly.Module(readFileSync(require.resolve('dcmjs-codecs/build/dcmjs-native-codecs.wasm')));
  const memory = () => (instance ?? made).memory.buffer;
  const message = (at: number, length: number) => Buffer.from(memory(), at, length).toString('latin1');
  const ok = () => 0;
  const { exports } = new WebAssembly.Instance(compiled, {
    env: {
      emscripten_notify_memory_growth: ok,
      onCodecsTrace: ok,
      onCodecsInfo: (at: number, length: number) => {
        if (complaints.length < 256) complaints.push(message(at, length));
      },
      onCodecsException: (at: number, length: number) => {
        throw new Error(message(at, length));
      },
    },
    wasi_snapshot_preview1: {
      environ_get: ok,
      environ_sizes_get: (count: number, size: number) => {
        new DataView(memory()).setUint32(count, 0, true);
        new DataView(memory()).setUint32(size, 0, true);
        return 0;
      },
      clock_time_get: ok,
      fd_seek: ok,
      fd_close: ok,
      fd_write: (_fd: number, vectors: number, count: number, written: number) => {
        const view = new DataView(memory());
        let total = 0;
        for (let i = 0; i < count; i++) {
          const length = view.getUint32(vectors + 8 * i + 4, true);
          complaints.push(message(view.getUint32(vectors + 8 * i, true), length));
          total += length;
        }
        view.setUint32(written, total, true);
        return 0;
      },
      proc_exit: (status: number) => {
        throw new Error(`the codec aborted with status ${status}`);
      },
    },
  });
  const made = exports as Exports;
  made._initialize?.();
  return made;
}
