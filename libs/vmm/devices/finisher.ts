/**
 * The test finisher, as on QEMU's `virt` board (hw/misc/sifive_test.c): the guest writes 0x5555 to end well, 0x3333 with
 * a status in the upper 16 bits to end with that status, 0x7777 to be reset.
 */
import type { Device } from './device.js';

export const FINISHER_PASS = 0x5555;
export const FINISHER_FAIL = 0x3333;
export const FINISHER_RESET = 0x7777;

export interface FinisherPorts {
  /** The guest has switched itself off; `status` becomes the VMM's exit status. */
  shutdown(status: number): void;
  /** The guest wants to be reset. */
  reset(): void;
}

export class Finisher implements Device<null> {
  constructor(private readonly ports: FinisherPorts) {}

  read(): number {
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset !== 0) return;
    const command = value & 0xffff;
    if (command === FINISHER_PASS) this.ports.shutdown(0);
    else if (command === FINISHER_FAIL) this.ports.shutdown((value >>> 16) & 0xffff);
    else if (command === FINISHER_RESET) this.ports.reset();
  }

  reset(): void {}

  save(): null {
    return null;
  }

  restore(): void {}
}
