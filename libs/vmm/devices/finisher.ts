/**
 * The test finisher, as on QEMU's `virt` board (hw/misc/sifive_test.c): the guest writes 0x5555 to end well, 0x3333 with
 * a status in the upper 16 bits to end with that status, 0x7777 to be reset.
 */
import { checkFields, type Device } from './device.js';

export const FINISHER_PASS = 0x5555;
export const FINISHER_FAIL = 0x3333;
export const FINISHER_RESET = 0x7777;

export interface FinisherPorts {
  /** The guest has switched itself off; `status` becomes the VMM's exit status. */
  shutdown(status: number): void;
  /** The guest wants to be reset. May be said again if nothing came of it. */
  reset(): void;
}

export interface FinisherState {
  /** 1 from the guest's wish to be reset until the reset: a migration in between carries it along. */
  readonly resetWanted: number;
}

export class Finisher implements Device<FinisherState> {
  private resetWanted = 0;

  constructor(private readonly ports: FinisherPorts) {}

  read(): number {
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset !== 0) return;
    const command = value & 0xffff;
    if (command === FINISHER_PASS) this.ports.shutdown(0);
    else if (command === FINISHER_FAIL) this.ports.shutdown((value >>> 16) & 0xffff);
    else if (command === FINISHER_RESET) {
      this.resetWanted = 1;
      this.ports.reset();
    }
  }

  /** Says once more what the guest has said and nobody has heeded yet. */
  remind(): void {
    if (this.resetWanted === 1) this.ports.reset();
  }

  reset(): void {
    this.resetWanted = 0;
  }

  save(): FinisherState {
    return { resetWanted: this.resetWanted };
  }

  restore(state: FinisherState): void {
    checkFields('finisher', { ...state }, { resetWanted: 1 });
    this.resetWanted = state.resetWanted;
  }
}
