// What a DICOM header says about a mammogram: side, view, kind, spacing at the breast, who and when. PS3.3 A.26, C.8.11, C.8.21.
import type { Laterality, Modality, View } from '@versamammo/schema';
import type { GreyImage } from '../grey-image.ts';
import { type DataSet, decimals, items, text, texts } from './dataset.ts';
import { FRAME_ANATOMY, frameGroups, PIXEL_MEASURES } from './frame-groups.ts';

const DIGITAL_MAMMOGRAPHY = '1.2.840.10008.5.1.4.1.1.1.2';
const BREAST_TOMOSYNTHESIS = '1.2.840.10008.5.1.4.1.1.13.1.3';
const BREAST_PROJECTION = ['1.2.840.10008.5.1.4.1.1.13.1.4', '1.2.840.10008.5.1.4.1.1.13.1.5'];

/** Views by code value: CID 4014 in SNOMED CT and its older SNOMED RT identifiers. */
const VIEW_CODES: ReadonlyMap<string, View> = new Map([
  ...codes('CC', '399162004', 'R-10242'),
  ...codes('MLO', '399368009', 'R-10226'),
  ...codes('ML', '399260004', 'R-10224'),
  ...codes('LM', '399352003', 'R-10228'),
  ...codes('LMO', '399099002', 'R-10230'),
  ...codes('XCCL', '399192008', 'R-1024A', 'Y-X1770'),
  ...codes('XCCM', '399101009', 'R-1024B', 'Y-X1771'),
  ...codes('other', '399196006', 'R-10244', '399188001', 'R-102D0', '441555000', 'R-40AAA', '127457009', 'G-8310'),
]);
/** View modifiers of CID 4015 that make a view of its own here. */
const AXILLARY_TAIL = ['399011000', 'R-102D7', 'R-102C2'];

const VIEW_POSITIONS: ReadonlyMap<string, View> = new Map(
  (['CC', 'MLO', 'ML', 'LM', 'LMO', 'XCCL', 'XCCM', 'AT'] satisfies View[]).map((view) => [view, view]),
);

function codes(view: View, ...values: string[]): [string, View][] {
  return values.map((value) => [value, view]);
}

/** The header of one frame. Patient and exam are as the file has them: de-identify first where that matters. */
export function mammogramHeader(dataset: DataSet, frame: number): GreyImage['header'] {
  return {
    laterality: lateralityOf(dataset, frame),
    view: viewOf(dataset),
    modality: modalityOf(dataset),
    spacing: spacingAtBreast(dataset, frame),
    patient: text(dataset, 'x00100020') ?? null,
    exam: text(dataset, 'x0020000d') ?? null,
    age: ageOf(dataset),
    vendor: text(dataset, 'x00080070') ?? null,
    machine: text(dataset, 'x00081090') ?? null,
  };
}

/** Whether the object is a mammogram: its modality or SOP class says so, or it is a plain radiograph of the breast. */
export function isMammogram(dataset: DataSet): boolean {
  const modality = text(dataset, 'x00080060');
  const sopClass = text(dataset, 'x00080016') ?? '';
  if (modality === 'MG') return true;
  if (sopClass.startsWith(DIGITAL_MAMMOGRAPHY) || [BREAST_TOMOSYNTHESIS, ...BREAST_PROJECTION].includes(sopClass))
    return true;
  const radiograph = modality !== undefined && ['CR', 'DX', 'DR', 'RG', 'OT'].includes(modality);
  return radiograph && /^BREAST/i.test(text(dataset, 'x00180015') ?? '');
}

function lateralityOf(dataset: DataSet, frame: number): Laterality | null {
  const [frameLaterality] = frameGroups(dataset, frame, FRAME_ANATOMY).flatMap(
    (group) => text(group, 'x00209072') ?? [],
  );
  const value = text(dataset, 'x00200062') ?? frameLaterality ?? text(dataset, 'x00200060');
  return value === 'L' || value === 'R' ? value : null;
}

function viewOf(dataset: DataSet): View | null {
  const [item] = items(dataset, 'x00540220');
  if (item !== undefined) {
    const modifiers = items(item, 'x00540222').map((modifier) => text(modifier, 'x00080100') ?? '');
    if (modifiers.some((code) => AXILLARY_TAIL.includes(code))) return 'AT';
    const view = VIEW_CODES.get(text(item, 'x00080100') ?? '');
    if (view !== undefined) return view;
  }
  const position = text(dataset, 'x00185101')?.toUpperCase();
  if (position === undefined) return item === undefined ? null : 'other';
  return VIEW_POSITIONS.get(position) ?? 'other';
}

/** Image Type, value 3 onwards, and the SOP class tell the kinds of mammogram apart. */
function modalityOf(dataset: DataSet): Modality | null {
  const type = texts(dataset, 'x00080008').join('\\').toUpperCase();
  if (/LOW_ENERGY/.test(type)) return 'cesm_le';
  if (/GENERATED_2D|SYNTHESI[SZ]ED|C-VIEW|TOMO_2D/.test(type)) return 'synthetic_2d';
  if (text(dataset, 'x00080016') === BREAST_TOMOSYNTHESIS) return 'dbt_slice';
  if (text(dataset, 'x00080064') === 'DF') return 'film';
  return isMammogram(dataset) ? 'ffdm' : null;
}

/**
 * Millimetres per pixel at the breast, [row, column]. Pixel Spacing that differs from Imager Pixel Spacing, or that says
 * how it was calibrated, or that belongs to a reconstructed volume, is at the breast already; else the detector's spacing is divided by the
 * estimated magnification (PS3.3 10.7.1.3, C.8.7.1, C.8.11.7).
 */
function spacingAtBreast(dataset: DataSet, frame: number): readonly [number, number] | null {
  const imager = pair(dataset, 'x00181164') ?? pair(dataset, 'x00182010');
  const calibrated = frameGroups(dataset, frame, PIXEL_MEASURES)
    .map((group) => pair(group, 'x00280030'))
    .find((spacing) => spacing !== null);
  const corrected =
    calibrated &&
    (imager === null ||
      text(dataset, 'x00280a02') !== undefined ||
      calibrated.some((spacing, i) => Math.abs(spacing - (imager[i] ?? 0)) > 1e-4 * spacing));
  if (calibrated && corrected) return calibrated;
  if (imager === null) return null;
  const magnification = decimals(dataset, 'x00181114')[0] ?? 1;
  const factor = magnification >= 0.5 && magnification <= 10 ? magnification : 1;
  return [imager[0] / factor, imager[1] / factor];
}

function pair(dataset: DataSet, tag: `x${string}`): readonly [number, number] | null {
  const [row, column] = decimals(dataset, tag);
  return row !== undefined && column !== undefined && row > 0 && column > 0 ? [row, column] : null;
}

/** Years, from Patient's Age, else from the dates of birth and of the study. */
function ageOf(dataset: DataSet): number | null {
  const match = /^(\d{3})([DWMY])$/.exec(text(dataset, 'x00101010') ?? '');
  if (match !== null) {
    const perYear = { D: 365.25, W: 52.18, M: 12, Y: 1 }[match[2] ?? 'Y'] ?? 1;
    const years = Math.floor(Number(match[1]) / perYear);
    // Zero is what de-identification leaves behind.
    return years > 0 ? years : null;
  }
  const born = dateOf(text(dataset, 'x00100030'));
  const studied = dateOf(text(dataset, 'x00080020'));
  if (born === null || studied === null || studied < born) return null;
  return Math.floor((studied - born) / 10000);
}

/** YYYYMMDD as a number: the difference of two, divided by 10000, is the number of full years. */
function dateOf(value: string | undefined): number | null {
  return value !== undefined && /^\d{8}$/.test(value) ? Number(value) : null;
}
