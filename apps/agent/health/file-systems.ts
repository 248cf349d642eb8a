/** Errors that ext4 has found in its file systems since they were last checked (/sys/fs/ext4/DEVICE/errors_count). */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HealthCheck } from '#contracts';

/** `root`: /sys/fs/ext4. */
export async function fileSystemChecks(root: string): Promise<HealthCheck[]> {
  const entries = await readdir(root).catch(() => []);
  const counted = await Promise.all(
    entries.toSorted().map(async (device) => {
      const text = await readFile(join(root, device, 'errors_count'), 'utf8').catch(() => null);
      return text === null ? [] : [judgeFileSystem(device, Number(text))]; // `features` is no file system
    }),
  );
  return counted.flat();
}

export const judgeFileSystem = (device: string, errors: number): HealthCheck => ({
  kind: 'file_system',
  subject: device,
  state: errors > 0 ? 'failed' : 'ok',
  value: errors,
  reason:
    errors > 0 ? `ext4 has found ${errors} errors on ${device}; run e2fsck` : `ext4 has found no error on ${device}`,
});
