// @versamammo/imaging: bytes → one normalised Mammogram; de-identification; previews; phantoms.

export { type Admitted, admitMammogram } from './admit-mammogram.ts';
export { canonicalise, type Hints } from './canonicalise.ts';
export { GLYPHS } from './deidentify/bitmap-font.ts';
export { type Deidentified, deidentify } from './deidentify/deidentify.ts';
export { findText, type TextLine } from './deidentify/find-text.ts';
export type { QuarantineReason } from './deidentify/quarantine.ts';
export {
  deriveTenantKey,
  loadMasterKey,
  type MasterKey,
  pseudonym,
  pseudonymousUid,
  type TenantKey,
} from './deidentify/tenant-key.ts';
export { type DecodeDicomOptions, decodeDicom } from './dicom/decode-dicom.ts';
export { type DicomIdentity, readDicomIdentity } from './dicom/dicom-identity.ts';
export { type DicomAttributes, greyPixels, writeDicom } from './dicom/write-dicom.ts';
export { ImagingError, type ImagingErrorCode } from './errors.ts';
export type * from './grey-image.ts';
export { type ImageFacts, type Inspection, inspect, type Statistics } from './inspect.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { type ModelTensor, tensorSize, toModelInput } from './model-input.ts';
export { encodePhantomDicom, encodePhantomPng } from './phantom/encode-phantom.ts';
export { type Phantom, type PhantomLesion, phantom } from './phantom/phantom.ts';
export type { PhantomCluster, PhantomMass, PhantomOptions } from './phantom/phantom-options.ts';
export { createImagingPool, type ImagingPool, type ImagingPoolOptions } from './pool/imaging-pool.ts';
export { encodePrepared, type PreparedImage, prepareMammogram, reduceMammogram } from './prepare-mammogram.ts';
export { type PreviewOptions, preview } from './preview.ts';
export { decodeRaster, type RasterFormat, rasterFormat } from './raster/decode-raster.ts';
export { encodeGreyPng } from './raster/png.ts';
export { type ReadOptions, readGrey, readMammogram } from './read-mammogram.ts';
export { type FloatImage, fitLongSide, resize, roundSide } from './resize.ts';
