import type { VirtioDevice } from '#vmm';
import type { ObjectProperties } from '../qom.js';
import type { Netdevs } from './netdev.js';
import type { Nic } from './nic.js';
import type { Chardevs } from './chardevs.js';
import type { Drives } from './drives.js';
import type { SerialBuses } from './serial-buses.js';

/** What a device may use of the process that it is in, and by which ids it finds what is on the host's side. */
export interface Host {
  /** Sends a QMP event. */
  event(name: string, data: Readonly<Record<string, unknown>>): void;
  /** One line for whoever reads this process's complaints. */
  log(line: string): void;
  readonly netdevs: Netdevs;
  readonly drives: Drives;
  readonly chardevs: Chardevs;
  /** Devices that ports are plugged into. */
  readonly serialBuses: SerialBuses;
}

/** A device with what it holds of the host. */
export interface Plugged {
  /** Absent for what is plugged into another device. */
  readonly device?: VirtioDevice;
  /** What the command line calls it. */
  readonly id?: string | undefined;
  /** The device, if it is a NIC. */
  readonly nic?: Nic;
  /** What qom-get and qom-set find at the device. */
  readonly properties?: ObjectProperties;
  /** Gives files and sockets back; after it the device is not used. */
  close?(): Promise<void>;
}
