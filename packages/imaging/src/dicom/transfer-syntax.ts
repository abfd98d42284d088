// Transfer syntaxes that are read, and by which decoder. PS3.6 Annex A.

type Codec = 'native' | 'rle' | 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';

export interface TransferSyntax {
  uid: string;
  name: string;
  codec: Codec;
  /** Whether decoding gives back exactly what was encoded. */
  lossless: boolean;
}

const rows: [suffix: string, name: string, codec: Codec, lossless: boolean][] = [
  ['', 'Implicit VR Little Endian', 'native', true],
  ['.1', 'Explicit VR Little Endian', 'native', true],
  ['.1.99', 'Deflated Explicit VR Little Endian', 'native', true],
  ['.2', 'Explicit VR Big Endian', 'native', true],
  ['.4.50', 'JPEG Baseline (Process 1)', 'jpeg', false],
  ['.4.51', 'JPEG Extended (Process 2 and 4)', 'jpeg', false],
  ['.4.53', 'JPEG Spectral Selection (Process 6 and 8)', 'jpeg', false],
  ['.4.55', 'JPEG Full Progression (Process 10 and 12)', 'jpeg', false],
  ['.4.57', 'JPEG Lossless (Process 14)', 'jpeg', true],
  ['.4.70', 'JPEG Lossless (Process 14, Selection Value 1)', 'jpeg', true],
  ['.4.80', 'JPEG-LS Lossless', 'jpeg-ls', true],
  ['.4.81', 'JPEG-LS Near-Lossless', 'jpeg-ls', false],
  ['.4.90', 'JPEG 2000 (Lossless Only)', 'jpeg-2000', true],
  ['.4.91', 'JPEG 2000', 'jpeg-2000', false],
  ['.4.201', 'High-Throughput JPEG 2000 (Lossless Only)', 'htj2k', true],
  ['.4.202', 'High-Throughput JPEG 2000 with RPCL Options (Lossless Only)', 'htj2k', true],
  ['.4.203', 'High-Throughput JPEG 2000', 'htj2k', false],
  ['.5', 'RLE Lossless', 'rle', true],
];

export const TRANSFER_SYNTAXES: ReadonlyMap<string, TransferSyntax> = new Map(
  rows.map(([suffix, name, codec, lossless]) => {
    const uid = `1.2.840.10008.1.2${suffix}`;
    return [uid, { uid, name, codec, lossless }];
  }),
);
