// @versamammo/sdk
export {};
