import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodePhantomDicom, encodePhantomPng, phantom } from '@versamammo/imaging';
import { encode as encodeJpeg } from 'jpeg-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareDataset } from '../prepare-dataset.ts';
import { readPrepared } from '../read-prepared.ts';
import { adapterNamed, adapters } from './index.ts';

const shared = process.env.VERSAMAMMO_SHARED ?? join(import.meta.dirname, '../../../../../shared');
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'versamammo-adapters-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const made = phantom(31, {
  longSide: 128,
  laterality: 'R',
  view: 'CC',
  masses: [{ shape: 'round', margin: 'circumscribed', diameter: 22 }],
  clusters: [],
}); // prettier-ignore
const dicom = encodePhantomDicom(made);

function jpeg(): Uint8Array {
  const { pixels, rows, columns } = made.grey;
  const data = Buffer.alloc(rows * columns * 4, 255);
  for (const [i, value] of pixels.entries()) data.fill(Math.round(255 * value), 4 * i, 4 * i + 3);
  return new Uint8Array(encodeJpeg({ width: columns, height: rows, data }, 90).data);
}

async function folderOf(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  const from = join(root, name);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(from, file)), { recursive: true });
    await writeFile(join(from, file), content);
  }
  return from;
}

async function prepared(name: string, files: Record<string, string | Uint8Array>) {
  const from = await folderOf(name, files);
  const to = join(root, `${name}-out`);
  const record = await prepareDataset(adapterNamed(name), { from, to, longSide: 128, workers: 0 });
  return { record, cases: (await readPrepared(to)).cases };
}

/** What the phantom's mass must become on the prepared grid: mirrored, cropped, resized. */
function expectMass(box: readonly number[] | undefined, columns: number) {
  expect(box).toBeDefined();
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = box ?? [];
  const source = made.lesions[0]?.box ?? [0, 0, 0, 0];
  expect(x1 - x0).toBeCloseTo(source[2] - source[0], 6);
  expect(y1 - y0).toBeCloseTo(source[3] - source[1], 6);
  // Chest wall at the right edge of the source is at the left edge of the prepared image.
  expect(Math.abs(x0 - (made.grey.columns - source[2]))).toBeLessThan(4);
  expect(x1).toBeLessThanOrEqual(columns);
}

const CBIS_HEADER =
  'patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n';

describe('adapters', () => {
  it('have unique names, a citation, a source and a layout', () => {
    expect(new Set(adapters.map(({ name }) => name)).size).toBe(adapters.length);
    for (const { citation, source, layout, licence } of adapters) {
      expect(citation.length && source.length && layout.length).toBeGreaterThan(0);
      expect(licence.releasable && !licence.commercialUse).toBe(false);
    }
    for (const name of ['rsna', 'rsna-512', 'vindr-mammo', 'inbreast', 'mias', 'embed', 'csaw-m'])
      expect(adapterNamed(name).licence.releasable).toBe(false);
  });

  it('cbis-ddsm: quoted line ends in paths, mask beside crop, lesion and image labels', async () => {
    const mask = { ...made, grey: { ...made.grey, pixels: Float32Array.from(made.lesions[0]?.mask ?? []) } };
    const image = 'Mass-Training_P_00001_RIGHT_CC';
    const { cases } = await prepared('cbis-ddsm', {
      'mass_case_description_train_set.csv': `${CBIS_HEADER}P_00001,3,RIGHT,CC,1,mass,IRREGULAR-ARCHITECTURAL_DISTORTION,SPICULATED,4,BENIGN_WITHOUT_CALLBACK,0,${image}/1.2/1.3/000000.dcm,${image}_1/1.4/1.5/000000.dcm,"${image}_1/1.4/1.5/000001.dcm\n"\n`,
      'calc_case_description_train_set.csv': `${CBIS_HEADER.replace('breast_density', 'breast density').replace('mass shape', 'calc type').replace('mass margins', 'calc distribution')}P_00001,3,RIGHT,MLO,1,calcification,PLEOMORPHIC,CLUSTERED,5,MALIGNANT,3,gone/1/2/0.dcm,gone_1/1/2/0.dcm,gone_1/1/2/1.dcm\n`,
      [`CBIS-DDSM/${image}/1.2/1.3/1-1.dcm`]: dicom,
      [`CBIS-DDSM/${image}_1/1.4/1.5/1-1.dcm`]: encodePhantomDicom(phantom(1, { longSide: 32 })),
      [`CBIS-DDSM/${image}_1/1.4/1.5/1-2.dcm`]: encodePhantomDicom(mask),
    });
    expect(cases.length).toBe(1);
    const [row] = cases;
    expect(row).toMatchObject({ patient: 'P_00001', mirrored: true, licence: 'CC-BY-3.0', releasable: true });
    expect(row?.labels).toMatchObject({
      laterality: 'R',
      density: 'C',
      pathology: 'benign',
      outcomeBasis: 'followup',
      // The other view's calcification is malignant: this breast has cancer.
      cancer: true,
      findings: ['mass', 'architectural_distortion'],
      subtlety: null,
      massMargins: ['spiculated'],
    });
    expectMass(row?.lesions[0]?.box, row?.columns ?? 0);
  });

  it('cdd-cesm: low-energy images only, missing ones listed', async () => {
    const header =
      '"Image_name","Patient_ID","Side","Type","Age","Breast density (ACR)","BIRADS","Findings","View","Tags","Machine","Pathology Classification/ Follow up"\n';
    const { record, cases } = await prepared('cdd-cesm', {
      'Radiology-manual-annotations.csv': `${header}"P1_R_DM_CC ","1","R","DM","46","C","4$2","Mass,\nlarge","CC","benign mass","1","Benign"\n"P1_R_CM_CC","1","R","CESM","46","_","4","x","CC","x","1","Benign"\n"P2_L_DM_CC","2","L","DM","50","_","1","Normal","CC","normal","1","Normal"\n`,
      'Low energy images of CDD-CESM/P1_R_DM_CC.jpg': jpeg(),
    });
    expect(cases.map(({ sourceImageId, patient }) => [sourceImageId, patient])).toEqual([['P1_R_DM_CC', 'P1']]);
    expect(cases[0]?.labels).toMatchObject({
      birads: 4,
      density: 'C',
      pathology: 'benign',
      cancer: false,
      modality: 'cesm_le',
    });
    expect(record.refused).toMatchObject([{ file: 'P2_L_DM_CC', code: 'missing-file' }]);
  });

  it('rsna: no cancer is neither normal nor benign', async () => {
    const { cases } = await prepared('rsna', {
      'train.csv':
        'site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,difficult_negative_case\n2,10006,462822612,R,CC,61.0,0,0,0,,0,,29,False\n1,10007,5,R,CC,93,1,1,1,0,0,C,49,False\n', // prettier-ignore
      'train_images/10006/462822612.dcm': dicom,
      'train_images/10007/5.dcm': dicom,
    });
    expect(cases.map(({ labels }) => [labels.cancer, labels.pathology, labels.outcomeBasis, labels.age])).toEqual([
      [false, null, 'none', 61],
      [true, null, 'biopsy', 90],
    ]);
    expect(cases[1]).toMatchObject({ duplicateOf: cases[0]?.id, split: cases[0]?.split, releasable: false });
  });

  it('vindr-mammo: boxes, categories as Python lists', async () => {
    const [x0, y0, x1, y1] = made.lesions[0]?.box ?? [0, 0, 0, 0];
    const { cases } = await prepared('vindr-mammo', {
      'breast-level_annotations.csv':
        'study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split\ns1,e1,i1,R,CC,128,102,BI-RADS 4,DENSITY C,test\n', // prettier-ignore
      'finding_annotations.csv': `study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,finding_categories,finding_birads,xmin,ymin,xmax,ymax,split\ns1,e1,i1,R,CC,128,102,BI-RADS 4,DENSITY C,"['Mass', 'Skin Thickening']",BI-RADS 4,${x0},${y0},${x1},${y1},test\ns1,e1,i1,R,CC,128,102,BI-RADS 4,DENSITY C,['No Finding'],,,,,,test\n`,
      'images/s1/i1.dicom': dicom,
    });
    expect(cases[0]?.labels).toMatchObject({
      birads: 4,
      density: 'C',
      outcomeBasis: 'reader',
      findings: ['mass', 'skin_thickening'],
    });
    expect(cases[0]?.lesions).toMatchObject([{ finding: 'mass', birads: 4, mask: null }]);
    expectMass(cases[0]?.lesions[0]?.box, cases[0]?.columns ?? 0);
  });

  it('inbreast: semicolons, outlines of OsiriX', async () => {
    const [x0, y0, x1, y1] = made.lesions[0]?.box ?? [0, 0, 0, 0];
    const points = [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ]
      .map(([x, y]) => `<string>(${x}.000, ${y}.0)</string>`)
      .join(''); // prettier-ignore
    const roi = (name: string, body: string) =>
      `<dict><key>Name</key><string>${name}</string><key>Point_mm</key><array/><key>Point_px</key><array>${body}</array></dict>`;
    const { cases } = await prepared('inbreast', {
      'INbreast.csv':
        'Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\nremoved;removed;R;CC;201001;20586908;3;4b\n',
      'AllDICOMs/20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm': dicom,
      'AllXML/20586908.xml': `<plist><array>${roi('Mass', points)}${roi('Point 1', '<string>(3.0, 4.0)</string>')}</array></plist>`,
    });
    expect(cases[0]).toMatchObject({
      patient: '6c613a14b80a8591',
      labels: { birads: 4, density: 'C', findings: ['mass'] },
    });
    expect(cases[0]?.lesions.length).toBe(1);
    expectMass(cases[0]?.lesions[0]?.box, cases[0]?.columns ?? 0);
  });

  it('mias: three-level density apart, circles measured from below, pairs are patients', async () => {
    const side = 1024;
    const samples = new Uint8Array(side * side);
    for (let y = 100; y < 900; y++)
      samples.fill(
        120 + (y % 40),
        y * side + 300,
        y * side + 300 + Math.round(500 * Math.sqrt(1 - ((y - 500) / 400) ** 2)),
      ); // prettier-ignore
    const pgm = Uint8Array.from([...new TextEncoder().encode(`P5\n${side} ${side}\n255\n`), ...samples]);
    const { cases } = await prepared('mias', {
      'Info.txt': 'This file lists the films.\nmdb001 G CIRC B 500 524 60\nmdb002 G NORM\n',
      'mdb001.pgm': pgm,
      'mdb002.pgm': pgm,
    });
    expect(
      cases.map(({ patient, labels }) => [
        patient,
        labels.laterality,
        labels.miasDensity,
        labels.density,
        labels.pathology,
      ]),
    ).toEqual([
      ['pair-1', 'R', 'G', null, 'benign'],
      ['pair-1', 'L', 'G', null, 'normal'],
    ]);
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = cases[0]?.lesions[0]?.box ?? [];
    const scale = (cases[0]?.spacing?.[0] ?? 0) / 0.2;
    expect((x1 - x0) * scale).toBeCloseTo(120, -1);
    // Row 500 of 1024 is the middle of the breast.
    expect((y0 + y1) / 2 / (cases[0]?.rows ?? 1)).toBeCloseTo(0.5, 1);
  });

  it('cmmd: labels of the breast that the header names', async () => {
    const { cases } = await prepared('cmmd', {
      'CMMD_clinicaldata_revision.csv':
        'ID1,LeftRight,Age,number,abnormality,classification,subtype\nD1-0001,L,44,2,mass,Benign,\nD1-0001,R,44,2,both,Malignant,Luminal A\n',
      'CMMD/D1-0001/study/series/1-1.dcm': dicom,
    });
    expect(cases[0]).toMatchObject({
      patient: 'D1-0001',
      labels: {
        laterality: 'R',
        pathology: 'malignant',
        subtype: 'luminal_a',
        findings: ['mass', 'calcification'],
        age: 44,
      },
    });
  });

  it('csaw-m: masking potential', async () => {
    const { cases } = await prepared('csaw-m', {
      'labels/CSAW-M_train.csv': 'Filename;Label;If_cancer\na.png;7;0\n',
      'labels/CSAW-M_test.csv': 'Filename;Label;If_cancer\nb.png;1;0\n',
      'images/preprocessed/train/a.png': encodePhantomPng(made),
      'images/preprocessed/test/b.png': encodePhantomPng(phantom(2, { longSide: 96 })),
    });
    expect(cases.map(({ labels }) => labels.masking)).toEqual([7, 1]);
  });

  it('bcs-dbt: one slice a lesion, boxes by width and height', async () => {
    const [x0, y0, x1, y1] = made.lesions[0]?.box ?? [0, 0, 0, 0];
    const { cases } = await prepared('bcs-dbt', {
      'BCS-DBT-boxes-train-v2.csv': `PatientID,StudyUID,View,Subject,Slice,X,Y,Width,Height,Class,AD,VolumeSlices\nDBT-P00001,DBT-S1,rcc2,1,0,${x0},${y0},${x1 - x0},${y1 - y0},cancer,0,1\n`,
      'BCS-DBT-file-paths-train-v2.csv':
        'PatientID,StudyUID,View,descriptive_path,classic_path\nDBT-P00001,DBT-S1,rcc2,x,Breast/1/1-1.dcm\n',
      'Breast/1/1-1.dcm': dicom,
    });
    expect(cases[0]?.labels).toMatchObject({
      laterality: 'R',
      view: 'CC',
      modality: 'dbt_slice',
      pathology: 'malignant',
    });
    expectMass(cases[0]?.lesions[0]?.box, cases[0]?.columns ?? 0);
  });

  it('embed: letters of assessment, side of the finding, never releasable', async () => {
    const { cases } = await prepared('embed', {
      'tables/EMBED_OpenData_metadata.csv':
        'empi_anon,acc_anon,anon_dicom_path,FinalImageType,ImageLateralityFinal,ViewPosition\n1.0,2.0,/mnt/x/images/cohort_1/a.dcm,2D,R,CC\n1.0,2.0,/mnt/x/images/cohort_1/b.dcm,cview,R,CC\n',
      'tables/EMBED_OpenData_clinical.csv':
        'empi_anon,acc_anon,side,asses,tissueden,path_severity,age_at_study\n1.0,2.0,R,S,3.0,1.0,61.2\n1.0,2.0,L,N,3.0,,61.2\n',
      'images/cohort_1/a.dcm': dicom,
    });
    expect(cases.length).toBe(1);
    expect(cases[0]).toMatchObject({
      patient: '1',
      exam: '2',
      releasable: false,
      labels: { birads: 4, density: 'C', pathology: 'malignant', outcomeBasis: 'biopsy', age: 61 },
    });
  });

  it('bmcd: the recent exam has the labels, the prior one none', async () => {
    const header =
      'Folder #,Breast (Right/Left),BI-RADS categories for breast density,BI-RADS categories for classification \n';
    const files = {
      'Normal_case.csv': `${header}1,Right,b,1\n`,
      'Suspicious_case.csv': `${header}1,Right,C,4b\n`,
      'Dataset/Normal_cases/1/CC_recent.dcm': encodePhantomDicom(phantom(41, { longSide: 96 })),
      'Dataset/Suspicious_cases/1/CC_recent.dcm': dicom,
      'Dataset/Suspicious_cases/1/CC_prior.dcm': encodePhantomDicom(phantom(42, { longSide: 96 })),
    };
    const { cases } = await prepared('bmcd', files);
    expect(
      cases.map(({ patient, labels }) => [patient, labels.timePoint, labels.birads, labels.density, labels.view]),
    ).toEqual([
      ['Normal-1', 'current', 1, 'B', 'CC'],
      ['Suspicious-1', 'prior', null, null, 'CC'],
      ['Suspicious-1', 'current', 4, 'C', 'CC'],
    ]);
    const from = await folderOf('bmcd-odd', { ...files, 'Dataset/Normal_cases/1/extra.dcm': dicom });
    await expect(adapterNamed('bmcd').list({ from, settings: {}, longSide: 64 })).rejects.toMatchObject({
      code: 'unexpected-layout',
      message: expect.stringContaining('Normal_cases/1/extra.dcm'),
    });
  });

  it('dmid: several rows an image, circles, spaces and a slip of the pen', async () => {
    const [x0, y0, x1, y1] = made.lesions[0]?.box ?? [0, 0, 0, 0];
    const { cases } = await prepared('dmid', {
      'Metadata.csv': `ID,view,background tissue,abnormality,pathology,x,y,radius\nIMG001 ,CC RT,G,CIRC+ CLAC,M,${(x0 + x1) / 2},${(y0 + y1) / 2},${(x1 - x0) / 2}\nIMG001,CCRT,-,ASYM,B,-,-,-\nIMG002,MLO LT,F,NORM,N,-,-,-\n`,
      'DICOM Images/DICOM Images/IMG001.dcm': dicom,
      'DICOM Images/DICOM Images/IMG002.dcm': encodePhantomDicom(phantom(43, { longSide: 96 })),
    });
    expect(cases[0]?.labels).toMatchObject({
      laterality: 'R',
      view: 'CC',
      miasDensity: 'G',
      density: null,
      pathology: 'malignant',
      cancer: true,
      findings: ['mass', 'calcification', 'asymmetry'],
      massMargins: ['circumscribed'],
    });
    expect(cases[0]?.lesions).toMatchObject([{ finding: 'mass', pathology: 'malignant' }]);
    expect(cases[1]?.labels).toMatchObject({
      laterality: 'L',
      view: 'MLO',
      pathology: 'normal',
      cancer: false,
      findings: [],
    });
  });

  it('kau-bcmd: the folder is the category; an image in two of them has none', async () => {
    const other = encodePhantomPng(phantom(44, { longSide: 96 }));
    const { record, cases } = await prepared('kau-bcmd', {
      'Birad4/BC1/2018_BC001_CC_R.jpg': jpeg(),
      'Birad4/2018_BC002_MLO_L.jpg': other,
      'Birad5/2018_BC002_MLO_L.jpg': other,
      'Birad1/note 7.jpg': other,
    });
    expect(cases.map(({ patient, labels }) => [patient, labels.birads, labels.laterality, labels.view])).toEqual([
      ['BC001', 4, 'R', 'CC'],
    ]);
    expect(record.refused.map(({ code }) => code).sort()).toEqual(['contradictory', 'unlabelled']);
  });

  it('lamis: folders are labels, as published', async () => {
    const { cases } = await prepared('lamis', {
      'maling/BIRADS V/ACR3/x_P118_81329_R_CC.dcm': dicom,
      'Normal/BARADS I/ACR1/x_P9_1_L_MLO.dcm': encodePhantomDicom(phantom(45, { longSide: 96 })),
    });
    expect(
      cases.map(({ patient, exam, labels: { birads, density, pathology, cancer } }) => [
        patient,
        exam,
        birads,
        density,
        pathology,
        cancer,
      ]),
    ).toEqual([
      ['P9', 'P9-1', 1, 'A', 'normal', false],
      ['P118', 'P118-81329', 5, 'C', 'malignant', true],
    ]);
    const from = await folderOf('lamis-odd', { 'maling/Normal/x_P1_2_R_CC.dcm': dicom });
    await expect(adapterNamed('lamis').list({ from, settings: {}, longSide: 64 })).rejects.toMatchObject({
      code: 'unexpected-layout',
      message: expect.stringContaining('maling/Normal/x_P1_2_R_CC.dcm'),
    });
  });

  it('mm: without cancer is neither normal nor benign', async () => {
    const { record, cases } = await prepared('mm', {
      'Original Dataset/Cancer/IMG (1).jpg': jpeg(),
      'Original Dataset/Non-Cancer/IMG (1).png': encodePhantomPng(phantom(46, { longSide: 96 })),
      'Original Dataset/Non-Cancer/copy.png': encodePhantomPng(phantom(46, { longSide: 96 })),
    });
    expect(cases.map(({ labels }) => [labels.cancer, labels.pathology])).toEqual([
      [true, 'malignant'],
      [false, null],
    ]);
    expect(new Set(cases.map(({ patient }) => patient)).size).toBe(2);
    expect(record.refused).toMatchObject([{ code: 'unlabelled' }]);
  });

  it('nlbs: paths with backslashes, a false alarm is no cancer', async () => {
    const header = 'File Path,Image Laterality,View Position,Cancer,False Positive\n';
    const { cases } = await prepared('nlbs', {
      'NLBSP-metadata.csv': `${header}Cancer\\S1\\a.dcm,R,CC,1,0\nFP\\S2\\b.dcm,L,MLO,0,1\n`,
      'Cancer/S1/a.dcm': dicom,
      'FP/S2/b.dcm': encodePhantomDicom(phantom(47, { longSide: 96 })),
    });
    expect(cases.map(({ patient, labels }) => [patient, labels.cancer, labels.pathology, labels.outcomeBasis])).toEqual(
      [
        ['S1', true, 'malignant', 'biopsy'],
        ['S2', false, null, 'none'],
      ],
    );
    const from = await folderOf('nlbs-odd', { 'NLBSP-metadata.csv': `${header}Cancer\\S1\\a.dcm,R,CC,1,1\n` });
    await expect(adapterNamed('nlbs').list({ from, settings: {}, longSide: 64 })).rejects.toMatchObject({
      code: 'unexpected-layout',
    });
  });

  it('folder: headers say patient (hashed), side and view; labels.csv says more', async () => {
    const { cases } = await prepared('folder', {
      'a/one.dcm': dicom,
      'a/two.png': encodePhantomPng(phantom(32, { longSide: 96 })),
    });
    expect(cases[0]).toMatchObject({ labels: { laterality: 'R', view: 'CC', age: made.labels.age } });
    expect(cases[0]?.patient).toMatch(/^[0-9a-f]{32}$/);
    expect(cases[1]?.patient).toMatch(/^unknown-/);
    const from = await folderOf('wrong', { 'labels.csv': 'file,birads\nx.png,9\n' });
    await expect(adapterNamed('folder').list({ from, settings: {}, longSide: 64 })).rejects.toMatchObject({
      code: 'unknown-label',
    });
  });

  it.each(adapters.filter(({ generated }) => !generated).map(({ name }) => name))(
    '%s refuses an empty folder as no layout of its',
    async (name) => {
      const from = await folderOf(`empty-${name}`, { '.keep': '' });
      await expect(adapterNamed(name).list({ from, settings: {}, longSide: 64 })).rejects.toMatchObject({
        code: 'unexpected-layout',
      });
    },
  );
});

describe.skipIf(!existsSync(join(shared, 'data')))('real labels (needs ../shared/data)', () => {
  const list = (name: string, folder = name) =>
    adapterNamed(name).list({ from: join(shared, 'data', folder), settings: {}, longSide: 64 });

  it('cbis-ddsm-mass-256 agrees with the published files, and knows of calcifications in the same breast', async () => {
    const { images } = await list('cbis-ddsm-mass-256');
    expect(images.length).toBe(1231);
    expect(images.filter(({ labels }) => labels.findings?.includes('calcification')).length).toBeGreaterThan(20);
    expect(images.every(({ labels }) => labels.modality === 'film' && labels.birads !== null)).toBe(true);
  });

  it('rsna-512 and cdd-cesm-dm-512 read every row', async () => {
    const rsna = (await list('rsna-512')).images;
    expect(rsna.filter(({ labels }) => labels.cancer).length).toBe(735);
    expect(rsna.every(({ labels }) => labels.pathology === undefined)).toBe(true);
    expect((await list('cdd-cesm-dm-512')).images.length).toBe(254);
  });

  it('every published row of CBIS-DDSM and CDD-CESM is read; images that are not there are listed', async () => {
    expect((await list('cbis-ddsm', 'native')).refused.length).toBe(3103 - 0);
    expect((await list('cdd-cesm', 'native')).refused.length).toBe(1003);
  });
});
