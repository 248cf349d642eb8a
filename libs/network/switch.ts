/**
 * A learning switch (IEEE 802.1D, section 7, without spanning tree) for the VMs of one host, joined to those of other
 * hosts by a full mesh of links. It decides where a frame goes, and moves no byte itself. A frame that came over a link
 * goes over none (split horizon), so that nothing goes round in circles. Networks do not see each other.
 */
import { isGroup, macAt, type Mac } from './mac.js';

export type PortId = string;
export type LinkId = string;

/** Where one NIC is plugged in. */
export interface PortSettings {
  readonly network: string;
  /** The only address that it may send from; null: any. */
  readonly mac: Mac | null;
}

export type DropReason =
  'unknown_port' | 'unknown_network' | 'runt' | 'group_source' | 'spoofed' | 'link_local' | 'nowhere';

/** Where a frame goes; to nobody: why. */
export interface Forwarding {
  readonly network: string;
  readonly ports: readonly PortId[];
  readonly links: readonly LinkId[];
  readonly dropped: DropReason | null;
}

export interface SwitchLimits {
  /** An address that has been silent for so long is forgotten (802.1D's ageing time). */
  readonly ageMs: number;
  /** Addresses remembered for each network; another one takes the place of the one that was learned first. */
  readonly maxAddresses: number;
}

const DEFAULT_LIMITS: SwitchLimits = { ageMs: 300_000, maxAddresses: 65_536 };
const HEADER_BYTES = 14;
/** 01:80:C2:00:00:00 to 0F: for the next bridge alone, which passes none on (802.1D, table 7-10). */
const LINK_LOCAL = 0x0180_c200_0000;

interface Learned {
  readonly port: PortId | null;
  readonly link: LinkId | null;
  readonly seenMs: number;
}

class Network {
  readonly ports = new Set<PortId>();
  readonly links = new Set<LinkId>();
  readonly addresses = new Map<Mac, Learned>();

  constructor(readonly name: string) {}

  get isUnused(): boolean {
    return this.ports.size === 0 && this.links.size === 0;
  }

  forget(isGone: (learned: Learned) => boolean): void {
    for (const [mac, learned] of this.addresses) if (isGone(learned)) this.addresses.delete(mac);
  }
}

export class LearningSwitch {
  private readonly networks = new Map<string, Network>();
  private readonly ports = new Map<PortId, PortSettings>();
  private readonly limits: SwitchLimits;

  constructor(limits: Partial<SwitchLimits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** Plugs a port in; one of the same id is unplugged first. */
  addPort(id: PortId, settings: PortSettings): void {
    this.removePort(id);
    this.ports.set(id, settings);
    this.network(settings.network).ports.add(id);
  }

  removePort(id: PortId): void {
    const network = this.networks.get(this.ports.get(id)?.network ?? '');
    if (!network) return;
    this.ports.delete(id);
    network.ports.delete(id);
    network.forget(({ port }) => port === id);
    this.tidy(network);
  }

  /** The networks that the host at the other end of a link has ports of; none: the link is gone. */
  setLink(id: LinkId, networks: readonly string[]): void {
    for (const network of this.networks.values()) {
      if (networks.includes(network.name) || !network.links.delete(id)) continue;
      network.forget(({ link }) => link === id);
      this.tidy(network);
    }
    for (const name of networks) this.network(name).links.add(id);
  }

  /** Networks that have ports here, by name. */
  ownNetworks(): string[] {
    return [...this.networks.values()].filter(({ ports }) => ports.size > 0).map(({ name }) => name);
  }

  /** Where a frame goes that a port has sent. */
  fromPort(id: PortId, frame: Uint8Array, nowMs: number): Forwarding {
    const port = this.ports.get(id);
    if (!port) return dropped('', 'unknown_port');
    const network = this.network(port.network);
    if (frame.length < HEADER_BYTES) return dropped(port.network, 'runt');
    const source = macAt(frame, 6);
    if (port.mac !== null && source !== port.mac) return dropped(port.network, 'spoofed');
    return this.forward(network, frame, { port: id, link: null, seenMs: nowMs });
  }

  /** Where a frame goes that came over a link. */
  fromLink(id: LinkId, networkName: string, frame: Uint8Array, nowMs: number): Forwarding {
    const network = this.networks.get(networkName);
    if (!network) return dropped(networkName, 'unknown_network');
    if (frame.length < HEADER_BYTES) return dropped(networkName, 'runt');
    return this.forward(network, frame, { port: null, link: id, seenMs: nowMs });
  }

  private forward(network: Network, frame: Uint8Array, from: Learned): Forwarding {
    const { name } = network;
    const destination = macAt(frame, 0);
    const source = macAt(frame, 6);
    if (isGroup(source)) return dropped(name, 'group_source');
    if (destination - (destination % 16) === LINK_LOCAL) return dropped(name, 'link_local');
    this.learn(network, source, from);
    const known = isGroup(destination) ? undefined : this.lookUp(network, destination, from.seenMs);
    const { ports, links } = known ? only(known) : network;
    const to = {
      network: name,
      ports: [...ports].filter((id) => id !== from.port),
      links: from.link === null ? [...links] : [],
    };
    return { ...to, dropped: to.ports.length + to.links.length === 0 ? 'nowhere' : null };
  }

  /** The newest word on where an address is counts: so a VM that has moved takes its address along. */
  private learn(network: Network, source: Mac, from: Learned): void {
    const { addresses } = network;
    if (addresses.size >= this.limits.maxAddresses && !addresses.has(source)) {
      const [first] = addresses.keys();
      addresses.delete(first!);
    }
    addresses.set(source, from);
  }

  private lookUp(network: Network, destination: Mac, nowMs: number): Learned | undefined {
    const known = network.addresses.get(destination);
    if (!known || nowMs - known.seenMs < this.limits.ageMs) return known;
    network.addresses.delete(destination);
    return undefined;
  }

  private network(name: string): Network {
    const network = this.networks.get(name) ?? new Network(name);
    this.networks.set(name, network);
    return network;
  }

  private tidy(network: Network): void {
    if (network.isUnused) this.networks.delete(network.name);
  }
}

const dropped = (network: string, reason: DropReason): Forwarding => ({
  network,
  ports: [],
  links: [],
  dropped: reason,
});

const only = ({ port, link }: Learned) => ({
  ports: port === null ? [] : [port],
  links: link === null ? [] : [link],
});
