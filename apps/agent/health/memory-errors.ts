/** Memory errors that the kernel's EDAC has counted since it booted (Documentation/admin-guide/ras.rst). */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HealthCheck } from '#contracts';

interface MemoryErrors {
  /** Memory controller, such as mc0. */
  readonly controller: string;
  readonly correctable: number;
  readonly uncorrectable: number;
}

/** `root`: /sys/devices/system/edac/mc. Nothing where the kernel has no EDAC driver. */
export async function memoryChecks(root: string): Promise<HealthCheck[]> {
  const controllers = (await readdir(root).catch(() => [])).filter((name) => /^mc\d+$/.test(name)).toSorted();
  const counts = await Promise.all(
    controllers.map(async (controller) => {
      const [correctable, uncorrectable] = await Promise.all(
        ['ce_count', 'ue_count'].map(async (file) => Number(await readFile(join(root, controller, file), 'utf8'))),
      );
      return { controller, correctable: correctable!, uncorrectable: uncorrectable! };
    }),
  );
  return counts.flatMap(judgeMemory);
}

/** An uncorrectable error has destroyed data; correctable ones announce a module that is about to fail. */
export function judgeMemory({ controller, correctable, uncorrectable }: MemoryErrors): HealthCheck[] {
  return [
    {
      kind: 'memory_uncorrectable',
      subject: controller,
      state: uncorrectable > 0 ? 'failed' : 'ok',
      value: uncorrectable,
      reason: `${uncorrectable} uncorrectable memory errors on ${controller} since the host was started`,
    },
    {
      kind: 'memory_correctable',
      subject: controller,
      state: correctable > 0 ? 'warning' : 'ok',
      value: correctable,
      reason: `${correctable} correctable memory errors on ${controller} since the host was started`,
    },
  ];
}
