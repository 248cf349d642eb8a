/** What is asked of a guest's agent. Its answers are the guest's word: what is not as it must be is an error. */
import { isIP } from 'node:net';
import { AgentChannel, AgentSilence, type AgentChannelOptions } from './agent-channel.js';

/** For how long an agent that shuts its guest down may take to say that it cannot. */
const REFUSAL_MS = 1000;
const MAX_NAME_CHARACTERS = 255;
const MAX_ADDRESSES = 32;
const MAX_VCPUS = 1024;

export interface GuestVcpu {
  readonly logicalId: number;
  readonly isOnline: boolean;
  /** The guest can do without it. */
  readonly canOffline: boolean;
}

export interface GuestInterface {
  readonly name: string;
  /** Such as 52:54:00:12:34:56; null if it has none. */
  readonly mac: string | null;
  readonly addresses: readonly string[];
}

export class GuestAgent {
  private readonly channel: AgentChannel;

  constructor(options: AgentChannelOptions) {
    this.channel = new AgentChannel(options);
  }

  async ping(): Promise<void> {
    await this.channel.execute('guest-ping');
  }

  /** Asks the guest to shut down. Resolves if it does not refuse; it takes a while. */
  async shutdown(mode: 'powerdown' | 'halt' | 'reboot' = 'powerdown'): Promise<void> {
    await this.channel.order('guest-shutdown', { mode }, REFUSAL_MS);
  }

  async hostName(): Promise<string> {
    const answer = await this.channel.execute('guest-get-host-name');
    return text(field(answer, 'host-name'), 'host-name');
  }

  /** What the guest calls its system, such as `Debian GNU/Linux 13 (trixie)`. */
  async osName(): Promise<string> {
    const answer = await this.channel.execute('guest-get-osinfo');
    return text(
      field(answer, 'pretty-name') ?? field(answer, 'name') ?? field(answer, 'kernel-release'),
      'pretty-name',
    );
  }

  async interfaces(): Promise<GuestInterface[]> {
    const answer = list(await this.channel.execute('guest-network-get-interfaces'), 'interfaces');
    return answer.map((each) => {
      const mac = field(each, 'hardware-address');
      const addresses = list(field(each, 'ip-addresses') ?? [], 'ip-addresses');
      return {
        name: text(field(each, 'name'), 'name'),
        mac: mac === undefined ? null : text(mac, 'hardware-address'),
        addresses: addresses.map((address) => ipAddress(field(address, 'ip-address'))),
      };
    });
  }

  async vcpus(): Promise<GuestVcpu[]> {
    const answer = list(await this.channel.execute('guest-get-vcpus'), 'vcpus');
    return answer.map((each) => ({
      logicalId: count(field(each, 'logical-id'), 'logical-id'),
      isOnline: field(each, 'online') === true,
      canOffline: field(each, 'can-offline') === true,
    }));
  }

  /** Resolves to how many of them were changed, from the first on. */
  async setVcpus(vcpus: readonly Pick<GuestVcpu, 'logicalId' | 'isOnline'>[]): Promise<number> {
    const wanted = vcpus.map(({ logicalId, isOnline }) => ({ 'logical-id': logicalId, online: isOnline }));
    return count(await this.channel.execute('guest-set-vcpus', { vcpus: wanted }), 'vcpus');
  }

  /** Holds all writing of the guest's file systems until `thaw`; resolves to how many they are. */
  async freeze(timeoutMs = 60_000): Promise<number> {
    return count(await this.channel.execute('guest-fsfreeze-freeze', undefined, timeoutMs), 'file systems');
  }

  /** Lets them go on; resolves to how many there were. */
  async thaw(timeoutMs = 60_000): Promise<number> {
    return count(await this.channel.execute('guest-fsfreeze-thaw', undefined, timeoutMs), 'file systems');
  }

  async isFrozen(): Promise<boolean> {
    const status = await this.channel.execute('guest-fsfreeze-status');
    if (status !== 'frozen' && status !== 'thawed') throw wrong('status', status);
    return status === 'frozen';
  }

  /** Lets go of the connection; the next question connects again. */
  close(): void {
    this.channel.close();
  }
}

/** Addresses by which others reach the guest: neither loopback nor link-local ones, in the order of its interfaces. */
export function reachableAddresses(interfaces: readonly GuestInterface[]): string[] {
  const isLocal = (address: string) => /^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address);
  const all = interfaces.flatMap(({ addresses }) => addresses).filter((address) => !isLocal(address));
  return [...new Set(all)].slice(0, MAX_ADDRESSES);
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

function wrong(name: string, value: unknown): AgentSilence {
  return new AgentSilence(
    `the guest agent's answer makes no sense: ${name} is ${String(JSON.stringify(value)).slice(0, 80)}`,
  );
}

/** Printable, and no longer than anybody's name. */
function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_NAME_CHARACTERS) throw wrong(name, value);
  if (/[^\x20-\x7e\u00a0-\ud7ff\ue000-\uffef]/u.test(value)) throw wrong(name, value);
  return value;
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > MAX_VCPUS) throw wrong(name, value);
  return value;
}

function count(value: unknown, name: string): number {
  if (!Number.isInteger(value) || (value as number) < 0) throw wrong(name, value);
  return value as number;
}

function ipAddress(value: unknown): string {
  if (typeof value !== 'string' || isIP(value) === 0) throw wrong('ip-address', value);
  return value;
}
