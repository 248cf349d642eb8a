/**
 * Firmware that the guest brings (-bios FILE), as QEMU's `virt` board starts it: in M-mode at the start of RAM, on every
 * hart. What it needs to know of the kernel is told by a struct in RAM (a2), for those that ask for it.
 */

/** "OSBI", little-endian. */
const MAGIC = 0x4942_534fn;
const VERSION = 2n;
const S_MODE = 1n;
/** Room that firmware may take behind the device tree, which it edits in place to tell what it keeps for itself. */
export const DEVICE_TREE_ROOM = 64 * 1024;
export const FIRMWARE_INFO_SIZE = 48;

/**
 * struct fw_dynamic_info (OpenSBI, include/sbi/fw_dynamic.h): where to go on in S-mode; 0 if there is no kernel. Any
 * hart may be the one that boots the others: like QEMU it names hart 0.
 */
export function firmwareInfo(kernelEntry: number): Uint8Array {
  const [options, bootHart] = [0n, 0n];
  const fields = [MAGIC, VERSION, BigInt(kernelEntry), S_MODE, options, bootHart];
  return new Uint8Array(BigUint64Array.from(fields).buffer);
}
