// phantom: synthetic mammograms with known labels, for demonstrations, tests and trial runs of training.
import type { Laterality } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';

/** As often as in screening, about. */
const DENSITIES = ['B', 'C', 'A', 'B', 'C', 'D', 'B', 'C'] as const;

export const phantomSet: Adapter = {
  name: 'phantom',
  family: 'phantom',
  title: 'Synthetic mammograms of VersaMammo',
  verified: 'real',
  licence: {
    id: 'CC0-1.0',
    url: 'https://creativecommons.org/publicdomain/zero/1.0/',
    releasable: true,
    commercialUse: true,
  },
  citation: 'VersaMammo phantom generator',
  source: 'packages/imaging, phantom(seed)',
  layout: 'nothing: the images are made',
  generated: true,
  settings: { count: 'how many images to make (default 400)', seed: 'first seed (default 1)' },
  async list({ settings, longSide }) {
    const count = wholeSetting(settings.count ?? '400', 'count', 1);
    const seed = wholeSetting(settings.seed ?? '1', 'seed', 0);
    const images = Array.from({ length: count }, (_, i): SourceImage => {
      // A patient has four images: both breasts, both views.
      const patient = Math.floor(i / 4);
      const laterality: Laterality = i % 2 === 0 ? 'L' : 'R';
      const view = i % 4 < 2 ? 'CC' : 'MLO';
      const id = `${seed + patient}-${laterality}-${view}`;
      return {
        id,
        pixels: {
          phantom: {
            seed: (seed + patient) * 4 + (i % 4),
            laterality,
            view,
            density: DENSITIES[(seed + patient) % DENSITIES.length] ?? 'B',
            age: 40 + (((seed + patient) * 7) % 39),
            // The breast fills about four fifths of the detector, and is cropped to.
            longSide: Math.round(1.25 * longSide),
          },
        },
        patient: `phantom-${seed + patient}`,
        exam: `phantom-${seed + patient}`,
        labels: {},
        lesions: [],
        publisherSplit: null,
        raw: {},
      };
    });
    return { images, refused: [], notes: [] };
  },
};

function wholeSetting(value: string, flag: string, least: number): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least && number < 1e8) return number;
  throw new DatasetError('wrong-option', `--${flag} takes a whole number of at least ${least}.`);
}
