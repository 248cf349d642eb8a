/** The host's switch as the agent sees it; it works in a thread of its own. */
import { Worker } from 'node:worker_threads';
import { parseMac } from '#network';
import type { Log } from '../log.js';
import type { PortTraffic } from './fabric.js';
import type { FromSwitch, SwitchCall, SwitchCalls, ToSwitch } from './switch-messages.js';
import type { TrafficReading } from './traffic.js';
import type { Peer } from './tunnel.js';

/** A NIC of a VM here, and the Unix socket to which its VMM connects. */
export interface NicPort {
  readonly socket: string;
  readonly network: string;
  /** Such as 52:54:00:12:34:56. */
  readonly mac: string;
  /** QEMU listens at the socket instead, and its frames have no virtio-net headers. */
  readonly isQemu: boolean;
  /** Name of a device of the host that the guest drives beside it. */
  readonly hostDevice?: string | undefined;
}

const NO_TRAFFIC: PortTraffic = { sentBytes: 0, receivedBytes: 0 };
const portId = (vmId: string, index: number) => `${vmId}/nic${index}`;

export class SwitchThread {
  private readonly worker: Worker;
  private readonly calls = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  private readonly plugged = new Map<string, number>();
  private lastId = 0;
  private lastPeers = '';

  /** `agentToken`: what the keys of other hosts' tunnels are derived from. */
  constructor(agentToken: string, log: Log) {
    this.worker = new Worker(new URL('./switch-worker.js', import.meta.url), {
      workerData: { agentToken },
      name: 'switch',
    });
    this.worker.on('message', (message: FromSwitch) => {
      if (message.kind === 'log') log.warn({ part: 'switch' }, message.message);
      else this.settle(message);
    });
    // Without its switch an agent is of no use: it ends, is started again, and the VMs connect again.
    this.worker.on('error', (error) => {
      throw error;
    });
  }

  /** Waits for tunnels of other hosts; resolves with the port. Rejects if the address cannot be used. */
  listen(host: string, port: number): Promise<number> {
    return this.ask('listen', { host, port });
  }

  /** Gives each NIC of a VM a port; the VM's process may connect when this resolves. Rejects if a socket cannot be. */
  async plug(vmId: string, nics: readonly NicPort[]): Promise<void> {
    await this.unplug(vmId);
    this.plugged.set(vmId, nics.length);
    for (const [index, { socket, network, mac, isQemu }] of nics.entries()) {
      const port = { path: socket, isDialled: isQemu, hasHeader: !isQemu };
      await this.ask('plug', { ...port, id: portId(vmId, index), network, mac: parseMac(mac) });
    }
  }

  /** Takes the VM's ports away; does nothing if it has none. */
  async unplug(vmId: string): Promise<void> {
    const count = this.plugged.get(vmId) ?? 0;
    this.plugged.delete(vmId);
    for (let index = 0; index < count; index++) await this.ask('unplug', portId(vmId, index));
  }

  /** What has passed the ports of each VM that has any, all of its NICs together. */
  async traffic(): Promise<TrafficReading> {
    const { atMs, ports } = await this.ask('traffic', null);
    const vms = new Map<string, PortTraffic>();
    for (const [vmId, count] of this.plugged) {
      const own = Array.from({ length: count }, (_, index) => ports.get(portId(vmId, index)) ?? NO_TRAFFIC);
      vms.set(vmId, {
        sentBytes: own.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
        receivedBytes: own.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
      });
    }
    return { atMs, vms };
  }

  /** The hosts whose switches belong together with this one's. `hostId`: who this host is. */
  async setPeers(hostId: string, peers: readonly Peer[]): Promise<void> {
    const told = JSON.stringify(peers);
    if (told === this.lastPeers) return;
    this.lastPeers = told;
    await this.ask('setPeers', { hostId, peers });
  }

  private ask<C extends SwitchCall>(call: C, argument: SwitchCalls[C]['argument']): Promise<SwitchCalls[C]['answer']> {
    this.lastId += 1;
    const message: ToSwitch = { id: this.lastId, call, argument };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    this.worker.postMessage(message);
    return new Promise((resolve, reject) => this.calls.set(message.id, { resolve: resolve as never, reject }));
  }

  private settle({ id, answer, error }: Extract<FromSwitch, { kind: 'answer' }>): void {
    const call = this.calls.get(id)!;
    this.calls.delete(id);
    if (error === null) call.resolve(answer);
    else call.reject(new Error(error));
  }
}
