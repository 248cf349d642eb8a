import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unpackKernel } from '../../apps/vmm/boot-files.js';

const image = Buffer.from('a kernel');

/** An EFI zboot image: where the payload lies, how long it is, how it is compressed. */
function zboot(payload: Buffer, compression = 'gzip', from = 64) {
  const header = Buffer.alloc(64);
  header.write('MZ\0\0zimg', 'latin1');
  header.writeUInt32LE(from, 8);
  header.writeUInt32LE(payload.length, 12);
  header.write(compression, 24, 'latin1');
  return Buffer.concat([header, payload]);
}

test('a kernel comes out of gzip and of EFI zboot, and stays as it is otherwise', () => {
  expect(unpackKernel(image)).toBe(image);
  expect(unpackKernel(gzipSync(image))).toEqual(image);
  expect(unpackKernel(zboot(gzipSync(image)))).toEqual(image);
});

test.each([
  ['cut off', gzipSync(image).subarray(0, 20), /compressed kernel cannot be unpacked/],
  ['an unknown compression', zboot(image, 'zstd22'), /compressed with zstd22, only gzip is known/],
  ['a payload outside', zboot(gzipSync(image), 'gzip', 65), /zboot image is cut off/],
])('%s is refused with the reason', (_what, file, reason) => {
  expect(() => unpackKernel(file)).toThrow(reason);
});
