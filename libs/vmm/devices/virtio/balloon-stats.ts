/** The guest's memory statistics, as a balloon's driver tells them (virtio 1.2, section 5.5.6.3). */
import type { GuestMemory } from '../../memory.js';
import { gather, slice, type Span } from './queue.js';

/** QEMU's names (hw/virtio/virtio-balloon.c), by tag. Memory is in bytes, the rest are counts since the guest's start. */
const NAMES = [
  'stat-swap-in',
  'stat-swap-out',
  'stat-major-faults',
  'stat-minor-faults',
  'stat-free-memory',
  'stat-total-memory',
  'stat-available-memory',
  'stat-disk-caches',
  'stat-htlb-pgalloc',
  'stat-htlb-pgfail',
] as const;

export type BalloonStats = Readonly<Partial<Record<(typeof NAMES)[number], number>>>;

/** A 16-bit tag and a 64-bit value, packed. */
const ENTRY_SIZE = 10;
/** Ten tags are known; drivers may tell others, and may tell one twice. */
const MAX_ENTRIES = 64;

/** Reads what a driver has told; tags that are not known are left out, as are entries beyond the first 64. */
export function readBalloonStats(memory: GuestMemory, told: readonly Span[]): BalloonStats {
  const bytes = gather(memory, slice(told, 0, MAX_ENTRIES * ENTRY_SIZE));
  const view = new DataView(bytes.buffer);
  const stats: Partial<Record<(typeof NAMES)[number], number>> = {};
  for (let at = 0; at + ENTRY_SIZE <= bytes.length; at += ENTRY_SIZE) {
    const name = NAMES[view.getUint16(at, true)];
    if (name) stats[name] = Number(view.getBigUint64(at + 2, true));
  }
  return stats;
}
