/** What the engine needs from outside. Its own code reads no clock, opens no socket and knows no threads. */
import type { GuestMemory } from '#vmm';
import type { Inlet } from './inlet.js';

/** One connection between source and destination: bytes in order, with backpressure. */
export interface Channel {
  /** Resolves when the bytes are on their way and their memory may be used again; rejects if the connection ends first. */
  write(bytes: Uint8Array): Promise<void>;
  /** Starts delivery. `onClose` comes once, with null after an orderly end; nothing is put into the inlet after that. */
  open(inlet: Inlet, onClose: (error: Error | null) => void): void;
  /** Delivers nothing more after the bytes of this moment, until it is told to go on. */
  hold(): void;
  goOn(): void;
  /** Sends what is queued and closes, after `graceMs` at the latest. Resolves when the channel is closed. */
  close(graceMs: number): Promise<void>;
}

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Lets everything else that waits for this thread have its turn. */
  breathe(): Promise<void>;
}

interface Machine {
  readonly memory: GuestMemory;
  /** Of the device models: a destination takes over from the same version only. */
  readonly boardVersion: number;
}

/** The machine that is to leave. */
export interface SourceMachine extends Machine {
  /** Stops harts and guest time. Resolves, when nothing writes to RAM any more, with whether the guest had been running. */
  stop(): Promise<{ running: boolean }>;
  /** Undoes `stop`: the guest goes on if it was running. */
  resume(): Promise<void>;
  /** COMMIT is about to be sent: even if the engine fails from here on, the guest never runs here again. */
  letGo(): void;
  /** Harts, devices and guest time of the stopped machine. */
  saveState(): Promise<Uint8Array>;
}

/** The machine that is to take over; nothing in it runs before `start`. */
export interface DestinationMachine extends Machine {
  /** Takes over what saveState gave at the source; throws if it does not fit. `running`: as `start` will say. */
  restoreState(state: Uint8Array, running: boolean): Promise<void>;
  /** The VM belongs to this machine now; the guest goes on if `running`. */
  start(running: boolean): Promise<void>;
  /** Stops the guest for ever: pages of it are lost. */
  lose(): Promise<void>;
}
