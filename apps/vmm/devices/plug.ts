/** From the command line to the devices of the machine: which drivers `-device` knows, and the backends they take. */
import { NAMED, UNNAMED, type ObjectProperties } from '../qom.js';
import { plugBalloon } from './balloon.js';
import { plugBlk } from './blk.js';
import type { Host, Plugged } from './plugged.js';
import { parseProperties, type Properties } from './properties.js';
import { plugNic } from './net.js';
import { plugRng } from './rng.js';
import { plugConsole, plugSerialBus, plugSerialPort } from './serial-port.js';

/** Makes a device; `id`: what the command line calls it. Throws a UsageError that names the property. */
type Driver = (properties: Properties, host: Host, id: string | undefined) => Promise<Plugged> | Plugged;

/** QEMU's names for virtio devices on the mmio transport. */
const DRIVERS: Readonly<Record<string, Driver>> = {
  'virtio-balloon-device': plugBalloon,
  'virtio-blk-device': plugBlk,
  'virtio-net-device': plugNic,
  'virtio-rng-device': plugRng,
  'virtio-serial-device': plugSerialBus,
  virtconsole: plugConsole,
  virtserialport: plugSerialPort,
};

/** The text of each `-device`, in the order of the command line, which is the order of the slots. */
export interface DeviceOptions {
  readonly devices: readonly string[];
}

/** All devices, and their properties by path. */
export interface PluggedDevices {
  readonly plugged: readonly Plugged[];
  readonly objects: ReadonlyMap<string, ObjectProperties>;
}

/**
 * Makes every device that was asked for, and those of drives that need no asking, behind the others. Throws a UsageError
 * that names the option; nothing stays open then.
 */
export async function plugDevices({ devices }: DeviceOptions, host: Host): Promise<PluggedDevices> {
  const plugged: Plugged[] = [];
  const objects = new Map<string, ObjectProperties>();
  let unnamed = 0;
  const unasked = host.drives.list.filter(({ needsDevice }) => needsDevice);
  try {
    for (const text of [...devices, ...unasked.map(({ id }) => `virtio-blk-device,drive=${id}`)]) {
      const { first, properties } = parseProperties('device', text);
      const id = properties.optional('id');
      const path = id === undefined ? `${UNNAMED}/device[${unnamed++}]` : `${NAMED}/${id}`;
      if (objects.has(path)) throw properties.error(`id=${id}: another device has this id`);
      const device = await plug(first, properties, host, id);
      plugged.push({ ...device, id });
      objects.set(path, device.properties ?? {});
    }
    return { plugged, objects };
  } catch (error) {
    for (const { close } of plugged) await close?.();
    throw error;
  }
}

async function plug(name: string, properties: Properties, host: Host, id?: string): Promise<Plugged> {
  const driver = DRIVERS[name];
  if (!driver) throw properties.error(`unknown device; there are ${Object.keys(DRIVERS).join(', ')}`);
  const plugged = await driver(properties, host, id);
  try {
    properties.end();
    return plugged;
  } catch (error) {
    await plugged.close?.();
    throw error;
  }
}
