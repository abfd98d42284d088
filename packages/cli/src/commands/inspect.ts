// versamammo inspect FILE… [--json]: what each file is, whether it would be accepted and why not, statistics of its pixels.
import { readFile } from 'node:fs/promises';
import { type Inspection, inspect } from '@versamammo/imaging';
import type { Command } from '../command.ts';
import { UsageError } from '../usage-error.ts';

export const command: Command = {
  summary: 'Say what an image file is and whether it would be accepted',
  usage: `versamammo inspect FILE… [--json]

Says for each DICOM, PNG, JPEG or PGM file whether it would be accepted and why not, its size, spacing, view and side,
where the breast is, and statistics of its stored values and of its values after modality and VOI LUT.
--json prints one object a line, one line a file. Exit status 1 if any file would be refused.

Example: versamammo inspect --json exam/*.dcm | jq 'select(.accepted | not)'`,
  options: {},
  async run({ positionals, json, out, signal }) {
    if (positionals.length === 0) throw new UsageError('Name at least one file.');
    let refused = 0;
    for (const file of positionals) {
      signal.throwIfAborted();
      const inspection = await inspectFile(file);
      if (!inspection.accepted) refused++;
      out.write(json ? `${JSON.stringify(flat(file, inspection))}\n` : describe(file, inspection));
    }
    return refused > 0 ? 1 : 0;
  },
};

async function inspectFile(file: string): Promise<Inspection> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => error);
  if (bytes instanceof Uint8Array) return inspect(bytes);
  const error = {
    code: 'unreadable-file',
    message: `The file cannot be read (${bytes.code ?? bytes.message}). Check its path.`,
  };
  return { format: null, accepted: false, error, image: null, statistics: null };
}

/** One level deep, `file` as given; a file that does not decode has its error alone. */
function flat(file: string, { format, accepted, error, image, statistics }: Inspection) {
  return image === null ? { file, accepted, error } : { file, accepted, error, format, ...image, ...statistics };
}

function describe(file: string, { format, accepted, error, image, statistics }: Inspection): string {
  const lines = [`${file}: ${accepted ? 'accepted' : `refused (${error?.code}): ${error?.message}`}`];
  if (image !== null) {
    const size = `${image.rows}×${image.columns}${image.frames > 1 ? `, ${image.frames} frames` : ''}`;
    const spacing =
      image.spacing === null ? 'spacing unknown' : `${image.spacing.map((mm) => mm.toPrecision(3)).join('×')} mm`;
    lines.push(
      `  ${[format, image.transfer_syntax, size, spacing].filter((part) => part !== null).join(', ')}`,
      `  laterality ${image.laterality ?? 'unknown'}, view ${image.view ?? 'unknown'}, breast box ${image.breast_box?.join(' ') ?? 'none'}`,
      ...image.warnings.map((warning) => `  note: ${warning}`),
    );
  }
  if (statistics !== null) {
    const { stored_min, stored_max, stored_mean, voi_min, voi_max, voi_mean } = statistics;
    lines.push(
      `  stored ${range(stored_min, stored_max, stored_mean)}`,
      `  after VOI ${range(voi_min, voi_max, voi_mean)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const range = (min: number | null, max: number | null, mean: number | null) =>
  min === null || max === null || mean === null
    ? 'none'
    : `${+min.toFixed(3)} to ${+max.toFixed(3)}, mean ${mean.toFixed(3)}`;
