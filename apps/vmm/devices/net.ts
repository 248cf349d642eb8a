/** `-device virtio-net-device,netdev=ID`: a NIC, plugged into the netdev of that id. */
import { isGroup, parseMac, type Mac } from '#network';
import { boolean, integer, list, optional, QmpError, string, type QmpServer } from '#qmp';
import { UsageError } from '../usage-error.js';
import type { Netdevs, StreamNetdev } from './netdev.js';
import { Nic, type NicSettings } from './nic.js';
import type { Host, Plugged } from './plugged.js';
import type { Properties } from './properties.js';

/** What QEMU gives to the first NIC without `mac=`; the next one gets the next address. */
const DEFAULT_MAC = parseMac('52:54:00:12:34:56');
/** The least that IPv4 needs, and the most that a packet can have. */
const MIN_MTU = 68;
const MAX_MTU = 65_535;
// QEMU's limits (migration/options.c).
const MAX_ANNOUNCE_MS = 100_000;
const MAX_ANNOUNCE_ROUNDS = 1000;

export async function plugNic(properties: Properties, { netdevs, log }: Host): Promise<Plugged> {
  const netdev = takeNetdev(properties, netdevs);
  const mac = readMac(properties, DEFAULT_MAC + netdevs.taken - 1);
  const mtu = properties.integer('host_mtu', MIN_MTU, MAX_MTU, 0);
  const failover = readFailover(properties);
  properties.end();
  const nic = new Nic({ mac, netdev, ...(mtu !== 0 && { mtu }), ...(failover && { failover }) }, log);
  try {
    await nic.open();
  } catch (error) {
    throw new UsageError(`-netdev stream,id=${netdev.id}: ${(error as Error).message}; is the switch there?`);
  }
  return { device: nic.device, nic, close: () => nic.close() };
}

/** QMP commands for NICs, by the id of the NIC or of its netdev: `set_link`, `announce-self` (QEMU, qapi/net.json). */
export function registerNicCommands(qmp: QmpServer, plugged: readonly Plugged[]): void {
  const nics = plugged.flatMap(({ nic, id }) => (nic ? [{ nic, names: [nic.netdevId, ...(id ? [id] : [])] }] : []));
  const byName = (name: string) => {
    const found = nics.find(({ names }) => names.includes(name));
    if (!found) throw new QmpError(`Device '${name}' not found`, 'DeviceNotFound');
    return found.nic;
  };

  qmp.register('set_link', { name: string, up: boolean }, ({ name, up }) => byName(name).device.setLink(up));

  const ms = integer(1, MAX_ANNOUNCE_MS);
  const pace = { initial: ms, max: ms, rounds: integer(1, MAX_ANNOUNCE_ROUNDS), step: ms };
  qmp.register('announce-self', { ...pace, interfaces: optional(list(string)) }, (given) => {
    const { initial: initialMs, max: maxMs, rounds, step: stepMs, interfaces } = given;
    const whom = interfaces ? interfaces.map(byName) : nics.map(({ nic }) => nic);
    for (const nic of whom) void nic.announce({ initialMs, maxMs, rounds, stepMs });
  });
}

/** `failover=on`: a standby; `failover_pair_id=ID`: the primary of that standby, a device of the host. */
function readFailover(properties: Properties): NicSettings['failover'] {
  const isStandby = properties.oneOf('failover', ['on', 'off'], 'off') === 'on';
  const standbyId = properties.optional('failover_pair_id');
  if (isStandby && standbyId !== undefined)
    throw properties.error('failover=on and failover_pair_id= are of two cards');
  return isStandby ? 'standby' : standbyId === undefined ? undefined : { standbyId };
}

function takeNetdev(properties: Properties, netdevs: Netdevs): StreamNetdev {
  const id = properties.required('netdev');
  try {
    return netdevs.take(id);
  } catch (error) {
    throw properties.error((error as Error).message);
  }
}

function readMac(properties: Properties, otherwise: Mac): Mac {
  const text = properties.optional('mac');
  if (text === undefined) return otherwise;
  const mac = toMac(properties, text);
  if (isGroup(mac)) throw properties.error(`mac=${text} is for a group; give the address of one NIC`);
  return mac;
}

function toMac(properties: Properties, text: string): Mac {
  try {
    return parseMac(text);
  } catch (error) {
    throw properties.error(`mac=${(error as Error).message}`);
  }
}
