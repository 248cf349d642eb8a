import type { VirtioDevice } from '#vmm';

/** A device with what it holds of the host. */
export interface Plugged {
  readonly device: VirtioDevice;
  /** Gives files and sockets back; after it the device is not used. */
  close?(): Promise<void>;
}
