/** Where XBZRLE's cache keeps its things in its own memory; AssemblyScript imports this too. See xbzrle.as.ts. */
export const XBZRLE_FIGURES = 0x1000;
export const XBZRLE_IN = 0x10_0000;
export const XBZRLE_OUT = 0x24_0000;
export const XBZRLE_INDEX = 0x40_0000;
