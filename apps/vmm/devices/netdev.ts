/** `-netdev`: what is at the other end of a NIC's cable. QEMU's `stream` backend, so the same sockets serve both. */
import type { MigrationAddress } from '../migration-address.js';
import { parseProperties, type Properties } from './properties.js';

/** Where a stream netdev connects: frames with their length before them. */
export interface StreamNetdev {
  readonly id: string;
  readonly address: MigrationAddress;
  /** Pause before a lost connection is tried again; 0: it is not, and the first one must succeed. */
  readonly reconnectMs: number;
  /** Frames have a header before them, with what is left to do to them: struct virtio_net_hdr of 12 bytes. */
  readonly hasHeader: boolean;
}

const MAX_PORT = 65_535;
const MAX_RECONNECT_MS = 3_600_000;

/** All netdevs of a VM; each is for one NIC. */
export class Netdevs {
  private readonly free = new Map<string, StreamNetdev>();
  private readonly used = new Set<string>();

  /** `texts`: the value of each `-netdev`. Throws a UsageError that names the option. */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const { first, properties } = parseProperties('netdev', text);
      if (first !== 'stream') throw properties.error('unknown network backend; there is stream');
      const netdev = parseStream(properties);
      if (this.free.has(netdev.id)) throw properties.error(`id=${netdev.id}: another netdev has this id`);
      this.free.set(netdev.id, netdev);
    }
  }

  /** The netdev that a NIC names. Throws an Error if there is none, or another NIC has it. */
  take(id: string): StreamNetdev {
    const netdev = this.free.get(id);
    if (!netdev)
      throw new Error(this.used.has(id) ? `netdev ${id} has a NIC already` : `there is no -netdev with id=${id}`);
    this.free.delete(id);
    this.used.add(id);
    return netdev;
  }

  /** How many NICs have taken one. */
  get taken(): number {
    return this.used.size;
  }

  /** Those that no NIC has taken. */
  get left(): string[] {
    return [...this.free.keys()];
  }
}

function parseStream(properties: Properties): StreamNetdev {
  const id = properties.required('id');
  properties.oneOf('server', ['off'], 'off');
  const address = parseAddress(properties);
  const reconnectMs = properties.integer('reconnect-ms', 0, MAX_RECONNECT_MS, 0);
  const hasHeader = properties.oneOf('vnet_hdr', ['on', 'off'], 'off') === 'on';
  properties.end();
  return { id, address, reconnectMs, hasHeader };
}

function parseAddress(properties: Properties): MigrationAddress {
  if (properties.oneOf('addr.type', ['unix', 'inet'], 'unix') === 'unix')
    return { path: properties.required('addr.path') };
  const host = properties.required('addr.host');
  const port = properties.integer('addr.port', 1, MAX_PORT, 0);
  if (port === 0) throw properties.error('addr.port= is missing');
  return { host, port };
}
