/** The programs that pages may be compressed with, all of them kept libraries (docs/adr/0020-compressors.md). */

/** In the order of their numbers on the stream. */
export const COMPRESSION_METHODS = ['zlib', 'zstd', 'lz4'] as const;
export type CompressionMethod = (typeof COMPRESSION_METHODS)[number];

export interface Compressor {
  /** `level`: as the method has it; LZ4 has none. */
  compress(bytes: Uint8Array, level: number): Uint8Array;
  /** Throws an Error if that is no compressed data, or would come to more than `most` bytes. */
  decompress(bytes: Uint8Array, most: number): Uint8Array;
}

export type Compressors = Readonly<Record<CompressionMethod, Compressor>>;

/** Only threads that compress or decompress load what that takes. */
export async function loadCompressors(): Promise<Compressors> {
  const [zlib, zstd, lz4] = await Promise.all([
    import('node:zlib'),
    import('@bokuweb/zstd-wasm'),
    import('lz4-wasm-nodejs'),
  ]);
  await zstd.init();
  return {
    zlib: {
      compress: (bytes, level) => zlib.deflateSync(bytes, { level }),
      decompress: (bytes, most) => zlib.inflateSync(bytes, { maxOutputLength: most }),
    },
    zstd: {
      compress: (bytes, level) => zstd.compress(bytes, level),
      decompress: (bytes, most) => atMost(most, zstd.decompress(bytes)),
    },
    lz4: {
      compress: (bytes) => lz4.compress(bytes),
      decompress: (bytes, most) => {
        const claimed = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
        if (claimed > most) throw new Error(`${claimed} bytes, the most is ${most}`);
        return lz4.decompress(bytes);
      },
    },
  };
}

function atMost(most: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length > most) throw new Error(`${bytes.length} bytes, the most is ${most}`);
  return bytes;
}
