// @versamammo/imaging: bytes → one normalised Mammogram; de-identification; previews; phantoms.
export type * from './grey-image.ts';
