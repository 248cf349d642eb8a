/** A host for devices that has nothing to connect them to. */
import { Chardevs } from '../../apps/vmm/devices/chardevs.js';
import { Drives } from '../../apps/vmm/devices/drives.js';
import { Netdevs } from '../../apps/vmm/devices/netdev.js';
import type { Host } from '../../apps/vmm/devices/plugged.js';
import { SerialBuses } from '../../apps/vmm/devices/serial-buses.js';

export const bareHost = (): Host => ({
  event: () => undefined,
  log: () => undefined,
  drives: new Drives([]),
  chardevs: new Chardevs(new Map()),
  netdevs: new Netdevs([]),
  serialBuses: new SerialBuses(),
});
