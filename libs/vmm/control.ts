/** What a migration, or anybody else who must hold a VM still, may ask of its machine. */
import type { GuestMemory } from './memory.js';

export interface MachineControl {
  readonly memory: GuestMemory;
  /** True between `cont` and `stop`. */
  readonly running: boolean;
  /**
   * Parks every hart between two instructions, answers device accesses that are under way, and stops guest time. The
   * memory and `saveState` do not change from then on. Resolves at once when already stopped.
   */
  stop(): Promise<void>;
  /** Lets guest time and harts go on where they stopped; does nothing when they run. */
  cont(): void;
  /** Everything but RAM: harts, devices, guest time; versioned. Throws unless stopped. */
  saveState(): Uint8Array;
  /** Becomes the machine that was saved; its RAM must be there already or follow. Throws unless stopped, and on a state
   * that this machine cannot take (another version, other harts or devices), and then changes nothing. */
  restoreState(state: Uint8Array): void;
}
