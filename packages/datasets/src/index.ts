// @versamammo/datasets
export {};
