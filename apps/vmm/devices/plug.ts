/** From the command line to the devices of the machine: which drivers `-device` knows, and the backends they take. */
import type { Plugged } from './plugged.js';
import { parseProperties, type Properties } from './properties.js';
import { plugRng } from './rng.js';

type Driver = (properties: Properties) => Promise<Plugged> | Plugged;

/** QEMU's names for virtio devices on the mmio transport. */
const DRIVERS: Readonly<Record<string, Driver>> = {
  'virtio-rng-device': plugRng,
};

/** The text of each `-device`, in the order of the command line, which is the order of the slots. */
export interface DeviceOptions {
  readonly devices: readonly string[];
}

/** Makes every device that was asked for. Throws a UsageError that names the option; nothing stays open then. */
export async function plugDevices({ devices }: DeviceOptions): Promise<Plugged[]> {
  const plugged: Plugged[] = [];
  try {
    for (const text of devices) plugged.push(await plug(text));
    return plugged;
  } catch (error) {
    for (const { close } of plugged) await close?.();
    throw error;
  }
}

async function plug(text: string): Promise<Plugged> {
  const { first, properties } = parseProperties('device', text);
  const driver = DRIVERS[first];
  if (!driver) throw properties.error(`unknown device; there are ${Object.keys(DRIVERS).join(', ')}`);
  const plugged = await driver(properties);
  properties.end();
  return plugged;
}
