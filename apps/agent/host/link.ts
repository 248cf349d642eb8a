/** How fast this host's link is: what migrations share. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Megabits of 10^6 bits a second, of which TCP over Ethernet leaves 94 %, in MiB/s. */
const MIBPS_PER_MEGABIT = (0.94 * 1e6) / 8 / 2 ** 20;

/**
 * MiB/s of the fastest network card that has a link (sysfs-class-net: `speed` in Mbit/s, -1 or an error without one);
 * null: none says so, as in virtual machines. Bridges and the like only repeat what their cards are.
 */
export function readLinkMiBps(folder = '/sys/class/net'): number | null {
  const speeds = namesIn(folder).flatMap((name) => {
    const speed = isCard(join(folder, name)) ? numberIn(join(folder, name, 'speed')) : null;
    return speed !== null && speed > 0 ? [speed * MIBPS_PER_MEGABIT] : [];
  });
  return speeds.length === 0 ? null : Math.max(...speeds);
}

/** What is plugged into a bus has a device. */
const isCard = (path: string): boolean => namesIn(path).includes('device');

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there, or nothing that has files in it
  }
}

function numberIn(file: string): number | null {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return null; // EINVAL while the card is down
  }
}
