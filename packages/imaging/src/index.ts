// @versamammo/imaging
export {};
