/** `-device virtio-serial-device` and what is plugged into it: `virtconsole`, `virtserialport`. */
import { VirtioConsole } from '#vmm';
import type { Host, Plugged } from './plugged.js';
import type { Properties } from './properties.js';

const DEFAULT_PORTS = 8;
const MAX_PORTS = 31;
/** Where ports of the default kind begin; port 0 is for a console, as in QEMU. */
const FIRST_SERIAL_PORT = 1;

export function plugSerialBus(properties: Properties, { serialBuses }: Host, id: string | undefined): Plugged {
  const device = new VirtioConsole(properties.integer('max_ports', 1, MAX_PORTS, DEFAULT_PORTS));
  serialBuses.add(id, device);
  return { device };
}

export function plugConsole(properties: Properties, host: Host, id: string | undefined): Plugged {
  return plugPort(properties, host, id, true);
}

export function plugSerialPort(properties: Properties, host: Host, id: string | undefined): Plugged {
  return plugPort(properties, host, id, false);
}

function plugPort(properties: Properties, host: Host, id: string | undefined, isConsole: boolean): Plugged {
  const chardev = properties.required('chardev');
  const name = properties.optional('name') ?? '';
  const bus = properties.optional('bus');
  const first = isConsole ? 0 : FIRST_SERIAL_PORT;
  const wanted = properties.integer('nr', first, MAX_PORTS, MAX_PORTS);
  try {
    const device = host.serialBuses.find(bus);
    const number = wanted === MAX_PORTS ? device.freeNumber(first) : wanted;
    const guestOpenChanged = (open: boolean) => {
      host.chardevs.noteGuestOpen(chardev, open);
      if (id !== undefined) host.event('VSERPORT_CHANGE', { id, open });
    };
    device.addPort({ number, name, isConsole, backend: host.chardevs.take(chardev), guestOpenChanged });
  } catch (error) {
    throw properties.error((error as Error).message);
  }
  return {};
}
