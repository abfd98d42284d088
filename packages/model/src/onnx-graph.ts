// readOnnxGraph: opset, inputs and outputs of an ONNX file, without a session. Field numbers: onnx.proto3 of ONNX 1.20.
import type { TensorSpec } from '@versamammo/schema';

/** A graph's own word on a tensor: like `TensorSpec`, but types and sizes may be ones that we do not use, or unknown. */
export interface GraphTensor {
  name: string;
  dtype: TensorSpec['dtype'] | `type ${number}`;
  /** Null where the graph states no shape; a dimension is null where it has neither size nor name. */
  shape: (number | string | null)[] | null;
}

export interface OnnxGraph {
  /** Version of the default operator set. */
  opset: number;
  /** Inputs that a caller must feed (those with an initial value left out). */
  inputs: GraphTensor[];
  outputs: GraphTensor[];
}

/** Throws RangeError where the bytes are no ONNX model. */
export function readOnnxGraph(bytes: Uint8Array): OnnxGraph {
  const model = messageOf(bytes);
  const graphBytes = model.get(7)?.[0];
  const opsets = (model.get(8) ?? []).map((entry) => messageOf(bytesOf(entry)));
  const opset = opsets.find((entry) => ['', 'ai.onnx'].includes(textOf(entry.get(1)?.[0])))?.get(2)?.[0];
  if (!(graphBytes instanceof Uint8Array) || typeof opset !== 'number') throw new RangeError('no graph or no opset');
  const graph = messageOf(graphBytes);
  const initial = new Set((graph.get(5) ?? []).map((tensor) => initialiserName(bytesOf(tensor))));
  const tensors = (field: number) => (graph.get(field) ?? []).map((value) => tensorOf(bytesOf(value)));
  return { opset, inputs: tensors(11).filter(({ name }) => !initial.has(name)), outputs: tensors(12) };
}

const DTYPES: Record<number, TensorSpec['dtype']> = {
  1: 'float32',
  2: 'uint8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
};

function tensorOf(bytes: Uint8Array): GraphTensor {
  const value = messageOf(bytes);
  const type = messageOf(bytesOf(messageOf(bytesOf(value.get(2)?.[0])).get(1)?.[0]));
  const elementType = Number(type.get(1)?.[0] ?? 0);
  const shape = type.get(2)?.[0];
  return {
    name: textOf(value.get(1)?.[0]),
    dtype: DTYPES[elementType] ?? `type ${elementType}`,
    shape: shape === undefined ? null : (messageOf(bytesOf(shape)).get(1) ?? []).map(dimensionOf),
  };
}

function dimensionOf(entry: Field): number | string | null {
  const dimension = messageOf(bytesOf(entry));
  const size = dimension.get(1)?.[0];
  if (typeof size === 'number') return size;
  const name = dimension.get(2)?.[0];
  return name === undefined ? null : textOf(name);
}

/** Name of a TensorProto (field 8), its data skipped. */
function initialiserName(bytes: Uint8Array): string {
  return textOf(messageOf(bytes).get(8)?.[0]);
}

type Field = number | Uint8Array;

/** Fields of a protobuf message by number, nested messages unread. */
function messageOf(bytes: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('the file ends too early');
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError('a number is too long');
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError('the file ends too early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const read = (wire: number): Field => {
    if (wire === 0) return varint();
    if (wire === 1) return take(8);
    if (wire === 2) return take(varint());
    if (wire === 5) return take(4);
    throw new RangeError('not a protobuf message');
  };
  while (at < bytes.length) {
    const key = varint();
    const field = read(key % 8);
    const number = Math.floor(key / 8);
    const list = fields.get(number);
    if (list) list.push(field);
    else fields.set(number, [field]);
  }
  return fields;
}

function bytesOf(field: Field | undefined): Uint8Array {
  if (!(field instanceof Uint8Array)) throw new RangeError('a part is missing');
  return field;
}

function textOf(field: Field | undefined): string {
  return field === undefined ? '' : new TextDecoder().decode(bytesOf(field));
}
