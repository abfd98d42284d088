// mias: the mini-MIAS database. Suckling et al., Excerpta Medica 1069, 375–378 (1994).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, MassMargin, Pathology } from '@versamammo/schema';
import type { Adapter, SourceImage, SourceLesion } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { mapped, unique, worstPathology } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

export const MIAS_CLASS: Readonly<Record<string, { finding: Finding; margin: MassMargin | null } | null>> = {
  CALC: { finding: 'calcification', margin: null },
  CIRC: { finding: 'mass', margin: 'circumscribed' },
  SPIC: { finding: 'mass', margin: 'spiculated' },
  MISC: { finding: 'miscellaneous', margin: null },
  ARCH: { finding: 'architectural_distortion', margin: null },
  ASYM: { finding: 'asymmetry', margin: null },
  NORM: null,
};
/** Three levels of background tissue, not those of BI-RADS. */
export const MIAS_DENSITY = { F: 'F', G: 'G', D: 'D' } as const;
const SEVERITY: Readonly<Record<string, Pathology>> = { B: 'benign', M: 'malignant' };
const SIDE = 1024;

export const mias: Adapter = {
  name: 'mias',
  family: 'mias',
  title: 'mini-MIAS',
  verified: 'description only',
  licence: researchOnly('MIAS-licence', 'http://peipa.essex.ac.uk/info/mias.html'),
  citation:
    'Suckling J et al. The Mammographic Image Analysis Society digital mammogram database. Excerpta Medica, International Congress Series 1069, 375–378 (1994)',
  source: 'http://peipa.essex.ac.uk/info/mias.html',
  layout: 'Info.txt, mdb001.pgm … mdb322.pgm',
  async list({ from }) {
    const lines = await readInfo(from);
    const images = [...Map.groupBy(lines, ({ id }) => id)].map(([id, marks]): SourceImage => {
      const number = Number(id.slice(3));
      const abnormal = marks.flatMap(({ type }) => type ?? []);
      const pathology = abnormal.length === 0 ? 'normal' : worstPathology(marks.map((mark) => mark.pathology));
      return {
        id,
        pixels: { file: `${id}.pgm` },
        // Films come in pairs: an even number is the left breast, the odd one before it the right of the same patient.
        patient: `pair-${Math.ceil(number / 2)}`,
        exam: `pair-${Math.ceil(number / 2)}`,
        labels: {
          laterality: number % 2 === 0 ? 'L' : 'R',
          view: 'MLO',
          modality: 'film',
          miasDensity: mapped(MIAS_DENSITY, marks[0]?.tissue ?? '', 'background tissue'),
          pathology,
          cancer: pathology === null ? null : pathology === 'malignant',
          findings: unique(abnormal.map(({ finding }) => finding)),
          findingsComplete: true,
          massMargins: unique(abnormal.flatMap(({ margin }) => margin ?? [])),
        },
        spacing: [0.2, 0.2],
        lesions: marks.flatMap(({ lesion }) => lesion ?? []),
        publisherSplit: null,
        raw: { info: marks.map(({ line }) => line).join('; ') },
      };
    });
    return { images, refused: [], notes: [] };
  },
};

/** Lines such as "mdb001 G CIRC B 535 425 197": image, tissue, class, severity, centre (from the lower left), radius. */
async function readInfo(from: string) {
  const text = await readFile(join(from, 'Info.txt'), 'utf8').catch((cause) => {
    throw new DatasetError('unexpected-layout', 'Info.txt is not in the source folder. Use the set as published.', {
      cause,
    });
  });
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => /^mdb\d{3}\s/.test(line));
  if (lines.length === 0)
    throw new DatasetError('unexpected-layout', 'Info.txt holds no line that begins with an image such as mdb001.');
  return lines.map((line) => {
    const [id = '', tissue = '', className = '', severity, ...place] = line.split(/\s+/);
    const type = mapped(MIAS_CLASS, className, 'class of abnormality');
    const pathology = severity === undefined || type === null ? null : mapped(SEVERITY, severity, 'severity');
    const [x, y, radius] = place.map(Number);
    const known = x !== undefined && y !== undefined && radius !== undefined && radius > 0;
    const lesion: SourceLesion | null =
      type && known
        ? {
            region: { kind: 'circle', x, y: SIDE - y, radius },
            labels: { finding: type.finding, pathology, massMargins: type.margin === null ? [] : [type.margin] },
          }
        : null;
    return { id, tissue, type, pathology, lesion, line };
  });
}
