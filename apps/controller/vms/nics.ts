import { createHash } from 'node:crypto';
import type { CreateVm, Nic } from '#contracts';

const MAC_BYTES = 6;
/** In the first byte: made here (locally administered), and not of a group (IEEE 802, section 8.4). */
const LOCAL = 0b10;
const GROUP = 0b01;

/** The network cards of a new VM: addresses follow from its id, so that no two VMs share one. */
export const newNics = (vmId: string, nics: CreateVm['nics']): Nic[] =>
  nics.map(({ network, hostDevice }, index) => ({
    network,
    mac: macOf(vmId, index),
    ...(hostDevice !== undefined && { hostDevice }),
  }));

function macOf(vmId: string, index: number): string {
  const bytes = createHash('sha256').update(`${vmId}:${index}`).digest().subarray(0, MAC_BYTES);
  bytes[0] = (bytes[0]! | LOCAL) & ~GROUP;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
