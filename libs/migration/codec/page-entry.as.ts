/** How a batch names its pages: their numbers, with bits that tell what their content is (codec.as.ts). */
export const ZERO_PAGE: u32 = 0x8000_0000;
export const DELTA_PAGE: u32 = 0x4000_0000;
export const PAGE_NUMBER: u32 = 0x3fff_ffff;
export const BATCH_HEADER: usize = 8;
