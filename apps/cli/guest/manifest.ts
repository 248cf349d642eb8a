/** What a fetched guest consists of: kept beside it, so that a later fetch knows whether anything is to be done. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const ImageFile = z.object({ file: z.string(), bytes: z.int(), sha256: z.string() });

const Manifest = z.object({
  format: z.literal(1),
  suite: z.string(),
  /** Of all that decides about the result besides the packages: a fetch with another one starts anew. */
  recipe: z.string(),
  /** Checked against the index of the suite, which Debian signs. */
  packages: z.array(z.object({ name: z.string(), version: z.string(), sha256: z.string() })),
  kernel: ImageFile,
  initrd: ImageFile,
});
export type Manifest = z.infer<typeof Manifest>;

export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** The manifest of the guest in a folder if that is whole, as its checksums tell; undefined if there is none. */
export function readGuest(folder: string): Manifest | undefined {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) return undefined;
  const manifest = Manifest.safeParse(parse(readFileSync(path, 'utf8'))).data;
  if (!manifest) return undefined;
  const isWhole = [manifest.kernel, manifest.initrd].every(({ file, sha256: wanted }) => {
    return existsSync(join(folder, file)) && sha256(readFileSync(join(folder, file))) === wanted;
  });
  return isWhole ? manifest : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller fetches it anew
  }
}
