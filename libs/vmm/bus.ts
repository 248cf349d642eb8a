/** The address space outside RAM, as seen from the main thread: which device answers at a physical address. */
import type { Device } from './devices/device.js';

interface Region {
  readonly base: number;
  readonly size: number;
  readonly device: Device;
}

export class Bus {
  private readonly regions: Region[] = [];

  /** Throws if the region overlaps another. */
  attach(base: number, size: number, device: Device): void {
    const other = this.regions.find((region) => base < region.base + region.size && region.base < base + size);
    if (other) throw new Error(`a device at 0x${base.toString(16)} overlaps the one at 0x${other.base.toString(16)}`);
    this.regions.push({ base, size, device });
  }

  /** Reads 1, 2, 4 or 8 bytes; undefined if no device answers there. */
  read(address: number, size: number): bigint | undefined {
    const region = this.find(address, size);
    if (!region) return undefined;
    const offset = address - region.base;
    const word = (at: number, bytes: number) => BigInt(region.device.read(at, bytes) >>> 0);
    return size === 8 ? word(offset, 4) | (word(offset + 4, 4) << 32n) : word(offset, size);
  }

  /**
   * Writes the low 1, 2, 4 or 8 bytes of `value`; false if no device answers there. A promise, if the device takes
   * its time.
   */
  write(address: number, size: number, value: bigint): boolean | Promise<true> {
    const region = this.find(address, size);
    if (!region) return false;
    const offset = address - region.base;
    const low = Number(BigInt.asUintN(Math.min(size, 4) * 8, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    const writeHigh = () => (size === 8 ? region.device.write(offset + 4, 4, high) : undefined);
    const first = region.device.write(offset, Math.min(size, 4), low);
    const last = first ? first.then(writeHigh) : writeHigh();
    return last ? last.then(() => true as const) : true;
  }

  private find(address: number, size: number): Region | undefined {
    return this.regions.find(({ base, size: length }) => address >= base && address + size <= base + length);
  }
}
