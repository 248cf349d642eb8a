import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { macBytes, parseMac, type Mac } from './mac.js';
import { LearningSwitch, type Forwarding } from './switch.js';

const BROADCAST = parseMac('ff:ff:ff:ff:ff:ff');
const A = parseMac('52:54:00:00:00:0a');
const B = parseMac('52:54:00:00:00:0b');
const C = parseMac('52:54:00:00:00:0c');

function frame(to: Mac, from: Mac): Uint8Array {
  const bytes = new Uint8Array(60);
  bytes.set(macBytes(to));
  bytes.set(macBytes(from), 6);
  return bytes;
}

const to = ({ ports, links }: Forwarding) => [...ports, ...links].toSorted();

/** Ports a, b and c with addresses of their own on one network, d on another, and a link to a host with both. */
function newSwitch() {
  const bridge = new LearningSwitch();
  for (const [id, mac] of Object.entries({ a: A, b: B, c: C })) bridge.addPort(id, { network: 'lan', mac });
  bridge.addPort('d', { network: 'other', mac: null });
  bridge.setLink('host-2', ['lan', 'other']);
  return bridge;
}

describe('a switch', () => {
  test('sends to everybody on the network until it knows better, and never back', () => {
    const bridge = newSwitch();
    expect(to(bridge.fromPort('a', frame(B, A), 0))).toEqual(['b', 'c', 'host-2']);
    expect(to(bridge.fromPort('b', frame(A, B), 0))).toEqual(['a']);
    expect(to(bridge.fromPort('a', frame(B, A), 0))).toEqual(['b']);
    expect(to(bridge.fromPort('a', frame(BROADCAST, A), 0))).toEqual(['b', 'c', 'host-2']);
    expect(bridge.fromPort('b', frame(B, B), 0)).toMatchObject({ ports: [], links: [], dropped: 'nowhere' });
  });

  test('passes what came over a link to ports alone, also to those that it believes elsewhere', () => {
    const bridge = newSwitch();
    bridge.setLink('host-3', ['lan']);
    expect(to(bridge.fromLink('host-2', 'lan', frame(BROADCAST, 0x1234), 0))).toEqual(['a', 'b', 'c']);
    bridge.fromLink('host-3', 'lan', frame(BROADCAST, 0x5678), 0);
    expect(bridge.fromLink('host-2', 'lan', frame(0x5678, 0x1234), 0).dropped).toBe('nowhere');
  });

  test('takes the newest word on where an address is: a VM that has moved has its address with it', () => {
    const bridge = newSwitch();
    bridge.fromPort('b', frame(BROADCAST, B), 0);
    bridge.fromLink('host-2', 'lan', frame(BROADCAST, B), 1);
    expect(to(bridge.fromPort('a', frame(B, A), 2))).toEqual(['host-2']);
    bridge.fromPort('b', frame(BROADCAST, B), 3);
    expect(to(bridge.fromPort('a', frame(B, A), 4))).toEqual(['b']);
  });

  test('forgets what has been silent, unplugged or unreachable', () => {
    const bridge = newSwitch();
    bridge.fromPort('b', frame(BROADCAST, B), 0);
    expect(to(bridge.fromPort('a', frame(B, A), 299_999))).toEqual(['b']);
    expect(to(bridge.fromPort('a', frame(B, A), 300_000))).toEqual(['b', 'c', 'host-2']);
    bridge.fromPort('b', frame(BROADCAST, B), 0);
    bridge.removePort('b');
    expect(to(bridge.fromPort('a', frame(B, A), 1))).toEqual(['c', 'host-2']);
    bridge.fromLink('host-2', 'lan', frame(BROADCAST, B), 0);
    expect(to(bridge.fromPort('a', frame(B, A), 1))).toEqual(['host-2']);
    bridge.setLink('host-2', ['other']);
    expect(to(bridge.fromPort('a', frame(B, A), 1))).toEqual(['c']);
  });

  test('remembers no more addresses than it may', () => {
    const bridge = new LearningSwitch({ maxAddresses: 2 });
    bridge.addPort('a', { network: 'lan', mac: null });
    bridge.addPort('b', { network: 'lan', mac: null });
    bridge.addPort('c', { network: 'lan', mac: null });
    for (const mac of [A, B, C]) bridge.fromPort('a', frame(BROADCAST, mac), 0);
    expect(to(bridge.fromPort('b', frame(A, 2), 0))).toEqual(['a', 'c']);
    expect(to(bridge.fromPort('b', frame(C, 2), 0))).toEqual(['a']);
  });

  test.each([
    ["an address that is not the port's", frame(B, C), 'spoofed'],
    ['a group as sender', frame(B, BROADCAST), 'spoofed'],
    ['no whole header', frame(B, A).subarray(0, 13), 'runt'],
    ['a frame for the next bridge alone', frame(parseMac('01:80:c2:00:00:03'), A), 'link_local'],
  ])('refuses %s', (_, bad, reason) => {
    expect(newSwitch().fromPort('a', bad, 0)).toMatchObject({ ports: [], links: [], dropped: reason });
  });

  test('refuses groups as senders also where any address may send, and frames for nobody here', () => {
    const bridge = newSwitch();
    expect(bridge.fromPort('d', frame(A, BROADCAST), 0).dropped).toBe('group_source');
    expect(bridge.fromLink('host-2', 'lan', frame(A, BROADCAST), 0).dropped).toBe('group_source');
    expect(bridge.fromLink('host-2', 'unheard of', frame(BROADCAST, A), 0).dropped).toBe('unknown_network');
    expect(bridge.fromPort('nobody', frame(BROADCAST, A), 0).dropped).toBe('unknown_port');
  });

  test('says which networks have ports here', () => {
    const bridge = newSwitch();
    bridge.removePort('d');
    expect(bridge.ownNetworks()).toEqual(['lan']);
  });
});

/** Hosts in a full mesh, with instant links; frames go where the switches send them. */
class Mesh {
  readonly hosts: LearningSwitch[];
  /** Host of each NIC, whose address is its number. */
  readonly places: number[];

  constructor(hosts: number, places: readonly number[], networks: readonly string[]) {
    this.hosts = Array.from({ length: hosts }, () => new LearningSwitch());
    this.places = [...places];
    places.forEach((host, nic) => this.plug(nic, host, networks[nic]!));
    this.networks = networks;
  }

  private readonly networks: readonly string[];

  private plug(nic: number, host: number, network: string): void {
    this.hosts[host]!.addPort(`nic-${nic}`, { network, mac: nic * 2 });
    this.tellNetworks();
  }

  private tellNetworks(): void {
    this.hosts.forEach((host, at) =>
      this.hosts.forEach((other, id) => id !== at && host.setLink(`host-${id}`, other.ownNetworks())),
    );
  }

  /** The NICs that get the frame, each as often as it gets it. */
  send(nic: number, destination: Mac): number[] {
    const at = this.places[nic]!;
    const bytes = frame(destination, nic * 2);
    const here = this.hosts[at]!.fromPort(`nic-${nic}`, bytes, 0);
    const there = here.links.flatMap((link) => {
      const next = this.hosts[Number(link.slice(5))]!.fromLink(`host-${at}`, here.network, bytes, 0);
      if (next.links.length > 0) throw new Error('what came over a link went over a link again');
      return next.ports;
    });
    return [...here.ports, ...there].map((id) => Number(id.slice(4))).toSorted((a, b) => a - b);
  }

  /** As a migration does: plugged in there first, silent; then it speaks there and is unplugged here. */
  move(nic: number, host: number): void {
    const from = this.places[nic]!;
    if (from === host) return;
    this.plug(nic, host, this.networks[nic]!);
    this.places[nic] = host;
    this.send(nic, BROADCAST);
    this.hosts[from]!.removePort(`nic-${nic}`);
    this.tellNetworks();
  }
}

test('over all hosts each frame reaches whom it is for, once, and nobody on another network', () => {
  const HOSTS = 3;
  const NICS = 6;
  const nic = fc.nat(NICS - 1);
  const action = fc.oneof(
    fc.record({ kind: fc.constant('broadcast' as const), nic }),
    fc.record({ kind: fc.constant('send' as const), nic, to: nic }),
    fc.record({ kind: fc.constant('move' as const), nic, host: fc.nat(HOSTS - 1) }),
  );
  const places = fc.array(fc.nat(HOSTS - 1), { minLength: NICS, maxLength: NICS });
  const networks = fc.array(fc.constantFrom('red', 'blue'), { minLength: NICS, maxLength: NICS });
  fc.assert(
    fc.property(places, networks, fc.array(action, { maxLength: 40 }), (where, names, actions) => {
      const mesh = new Mesh(HOSTS, where, names);
      const hasSpoken = new Set<number>();
      const peersOf = (of: number) =>
        names.flatMap((name, other) => (name === names[of] && other !== of ? [other] : []));
      for (const step of actions) {
        if (step.kind === 'move') {
          mesh.move(step.nic, step.host);
          hasSpoken.clear(); // a host that is new to a network has heard nobody yet
        } else if (step.kind === 'broadcast') {
          expect(mesh.send(step.nic, BROADCAST)).toEqual(peersOf(step.nic));
          hasSpoken.add(step.nic);
        } else if (step.to !== step.nic) {
          const got = mesh.send(step.nic, step.to * 2);
          const peers = peersOf(step.nic);
          if (peers.includes(step.to)) expect(got).toContain(step.to);
          if (hasSpoken.has(step.to) && peers.includes(step.to)) expect(got).toEqual([step.to]);
          expect(peers).toEqual(expect.arrayContaining(got));
          expect(new Set(got).size).toBe(got.length);
        }
      }
    }),
  );
});
