/** What disks say of themselves (SMART), by smartctl's JSON (smartmontools, smartctl(8), --json). */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { HealthCheck } from '#contracts';
import { z } from 'zod';

const Scan = z.object({ devices: z.array(z.object({ name: z.string(), type: z.string() })).default([]) });

const Smart = z.object({
  smart_status: z.object({ passed: z.boolean() }).optional(),
  /** Of ATA disks: 5 reallocated, 197 pending, 198 uncorrectable sectors. */
  ata_smart_attributes: z
    .object({ table: z.array(z.object({ id: z.number(), name: z.string(), raw: z.object({ value: z.number() }) })) })
    .optional(),
  nvme_smart_health_information_log: z
    .object({ critical_warning: z.number(), media_errors: z.number(), percentage_used: z.number() })
    .optional(),
});

const BAD_SECTORS = new Set([5, 197, 198]);
const TIMEOUT_MS = 20_000;

/** Nothing where smartctl is not installed, or finds no disk that it may ask. */
export async function diskChecks(smartctl = 'smartctl'): Promise<HealthCheck[]> {
  const scan = Scan.safeParse(await json(smartctl, ['--json', '--scan']));
  const devices = scan.success ? scan.data.devices : [];
  const found = await Promise.all(
    devices.map(async ({ name, type }) =>
      judgeDisk(name, await json(smartctl, ['--json', '-H', '-A', '-d', type, name])),
    ),
  );
  return found.filter((check) => check !== null);
}

/** `answer`: what smartctl -H -A has said of the disk; null if it says nothing of its health. */
export function judgeDisk(name: string, answer: unknown): HealthCheck | null {
  const parsed = Smart.safeParse(answer);
  if (!parsed.success) return null;
  const { smart_status: status, ata_smart_attributes: ata, nvme_smart_health_information_log: nvme } = parsed.data;
  if (!status && !ata && !nvme) return null;
  const sectors = (ata?.table ?? [])
    .filter(({ id }) => BAD_SECTORS.has(id))
    .reduce((sum, { raw }) => sum + raw.value, 0);
  const errors = sectors + (nvme?.media_errors ?? 0);
  const isFailing = status?.passed === false || (nvme?.critical_warning ?? 0) !== 0;
  const wear = nvme && nvme.percentage_used >= 100 ? `${nvme.percentage_used} % of its life is used` : null;
  const state = isFailing ? 'failed' : errors > 0 || wear ? 'warning' : 'ok';
  const words = [
    ...(isFailing ? ['SMART expects it to fail; replace it'] : []),
    ...(errors > 0 ? [`${errors} bad sectors or media errors`] : []),
    ...(wear ? [wear] : []),
  ];
  return {
    kind: 'disk',
    subject: name,
    state,
    value: errors,
    reason: `${name}: ${words.join(', ') || 'SMART finds nothing wrong'}`,
  };
}

/** smartctl's exit status tells of the disk as well, so its output counts whatever that is. */
async function json(program: string, args: readonly string[]): Promise<unknown> {
  const output = await promisify(execFile)(program, args, { timeout: TIMEOUT_MS }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
  try {
    return JSON.parse(output);
  } catch {
    return null; // not installed, or killed
  }
}
