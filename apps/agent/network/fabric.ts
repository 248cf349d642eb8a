/** A host's part of its VMs' networks: the switch, with a port for each NIC here and a link to each other host. */
import { frameOf, isSound, LearningSwitch, type Mac } from '#network';
import { Port } from './port.js';
import { type Peer, tunnelKey, TunnelLink, TunnelListener } from './tunnel.js';

export interface PortSpec {
  readonly id: string;
  /** Its VMM knows virtio-net headers. */
  readonly hasHeader: boolean;
  /** The NIC's VMM listens at the socket and is connected to. */
  readonly isDialled: boolean;
  /** The Unix socket of the NIC. */
  readonly path: string;
  readonly network: string;
  /** The address that the NIC may send from. */
  readonly mac: Mac;
}

/** What has passed a port since it was plugged in, in bytes of frames as its NIC sees them. */
export interface PortTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface FabricPorts {
  nowMs(): number;
  log(message: string): void;
}

export class Fabric {
  private readonly bridge = new LearningSwitch();
  private readonly ports = new Map<string, Port>();
  private readonly links = new Map<string, TunnelLink>();
  private readonly listener: TunnelListener;
  private hostId = '';
  /** Ports that were seen sending from addresses that are not theirs: each is told once. */
  private readonly spoofers = new Set<string>();

  /** `agentToken`: what the keys of other hosts' tunnels are derived from. */
  constructor(
    agentToken: string,
    private readonly host: FabricPorts,
  ) {
    this.listener = new TunnelListener({
      keyFor: (from) => (this.links.has(from) ? tunnelKey(agentToken, from, this.hostId) : null),
      onPacket: (from, network, packet) => this.fromLink(from, network, packet),
      log: host.log,
    });
  }

  /** Waits for the tunnels of other hosts; resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    return this.listener.listen(host, port);
  }

  /** Resolves when the NIC's VMM can connect, or is being connected to. Rejects if the path cannot be used. */
  async plug({ id, path, isDialled, network, mac, hasHeader }: PortSpec): Promise<void> {
    this.unplug(id);
    const port = new Port({
      path,
      isDialled,
      hasHeader,
      onPacket: (packet) => this.fromPort(id, packet),
      onGarbage: (message) => this.host.log(`port ${id}: ${message}`),
    });
    this.ports.set(id, port);
    this.bridge.addPort(id, { network, mac });
    this.tellNetworks();
    await port.open();
  }

  unplug(id: string): void {
    const port = this.ports.get(id);
    if (!port) return;
    port.close();
    this.ports.delete(id);
    this.spoofers.delete(id);
    this.bridge.removePort(id);
    this.tellNetworks();
  }

  /** Of each port, and when that was, by a clock that only goes forward. */
  traffic(): { readonly atMs: number; readonly ports: ReadonlyMap<string, PortTraffic> } {
    const ports = new Map([...this.ports].map(([id, { traffic }]) => [id, { ...traffic }]));
    return { atMs: this.host.nowMs(), ports };
  }

  /** The other hosts whose VMs may be on the same networks. `hostId`: who this one is. */
  setPeers(hostId: string, peers: readonly Peer[]): void {
    this.hostId = hostId;
    for (const [id, link] of this.links) {
      const peer = peers.find((candidate) => candidate.hostId === id);
      if (peer && peer.address === link.peer.address && peer.key === link.peer.key) continue;
      link.close();
      this.links.delete(id);
      this.bridge.setLink(id, []);
    }
    for (const peer of peers) {
      const { hostId: id } = peer;
      if (this.links.has(id)) continue;
      const onNetworks = (networks: readonly string[]) => this.bridge.setLink(id, networks);
      this.links.set(id, new TunnelLink(hostId, peer, { onNetworks, log: this.host.log }));
    }
    this.listener.review((from) => this.links.has(from));
  }

  close(): void {
    for (const id of this.ports.keys()) this.unplug(id);
    this.setPeers(this.hostId, []);
    this.listener.close();
  }

  private fromPort(id: string, packet: Uint8Array): void {
    if (!isSound(packet)) return;
    const { network, ports, links, dropped } = this.bridge.fromPort(id, frameOf(packet), this.host.nowMs());
    if (dropped === 'spoofed' && !this.spoofers.has(id)) {
      this.spoofers.add(id);
      this.host.log(`port ${id}: its guest sends from addresses that are not its NIC's; such frames are dropped`);
    }
    for (const to of ports) this.ports.get(to)?.send(packet);
    for (const to of links) this.links.get(to)?.send(network, packet);
  }

  private fromLink(from: string, network: string, packet: Uint8Array): void {
    if (!isSound(packet)) return;
    const { ports } = this.bridge.fromLink(from, network, frameOf(packet), this.host.nowMs());
    for (const to of ports) this.ports.get(to)?.send(packet);
  }

  private tellNetworks(): void {
    this.listener.want(this.bridge.ownNetworks());
  }
}
