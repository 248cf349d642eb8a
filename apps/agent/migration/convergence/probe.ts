/** What is measured of a VM before anybody migrates it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationProbe } from '#contracts';
import type { PageShares, VmProcess } from '#hypervisor';
import { Converger } from './converger.js';
import { residentMiBOf } from './resident.js';

/** How often, and how far apart, what the guest writes is read: pages that it writes again in each count each time. */
const READINGS = 4;
const APART_MS = 250;

/** Of a VM whose turn it is; null if it stands still, which tells nothing of what it does otherwise. */
export async function probeResident(process: VmProcess): Promise<MigrationProbe | null> {
  return (await process.runState()).isRunning ? probeMigration(process) : null;
}

export async function probeMigration(process: VmProcess): Promise<MigrationProbe> {
  const atHand = await new Converger().meansAtHand(process);
  await process.dirtyRateMiBps(); // from now on
  const rates: number[] = [];
  let shares: PageShares | null = null;
  for (let reading = 0; reading < READINGS; reading++) {
    await sleep(APART_MS);
    shares = await process.samplePages();
    const rate = await process.dirtyRateMiBps();
    if (rate !== null) rates.push(rate);
  }
  const dirtyRateMiBps = rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const usedMiB = await residentMiBOf(process.handle.pid);
  const { compressedShare = null, deltaShare = null } = shares ?? {};
  return { dirtyRateMiBps, usedMiB, compressedShare, deltaShare, atHand };
}
