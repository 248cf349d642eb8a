/** Switches of several hosts with real sockets and tunnels; NICs are the test itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parseMac, rarpAnnouncement } from '#network';
import { Fabric } from '../../apps/agent/network/fabric.js';
import { tunnelKey } from '../../apps/agent/network/tunnel.js';
import { BROADCAST, TestNic } from './test-nic.js';

const PATIENCE = { timeout: 90_000, interval: 5 };
const MAC = (n: number) => `52:54:00:00:00:0${n}`;
const eventually = <T>(check: () => T) => vi.waitFor(check, PATIENCE);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'drover-fabric-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

class Host {
  readonly log: string[] = [];
  readonly folder = folder();
  fabric: Fabric;
  port = 0;

  constructor(readonly id: string) {
    this.fabric = this.newFabric();
    onTestFinished(() => this.fabric.close());
  }

  get token(): string {
    return `token of ${this.id}`;
  }

  async start(): Promise<this> {
    this.port = await this.fabric.listen('127.0.0.1', this.port);
    return this;
  }

  /** As when the agent dies and is started again. */
  async restart(): Promise<void> {
    this.fabric.close();
    this.fabric = this.newFabric();
    await eventually(() => this.start());
  }

  async nic(n: number, network = 'lan'): Promise<TestNic> {
    const path = join(this.folder, `nic${n}`);
    await this.fabric.plug({ id: `nic${n}`, path, network, mac: parseMac(MAC(n)), isDialled: false, hasHeader: false });
    return new TestNic(path, MAC(n));
  }

  peerFor(other: Host) {
    return { hostId: this.id, address: `127.0.0.1:${this.port}`, key: tunnelKey(this.token, other.id, this.id) };
  }

  private newFabric(): Fabric {
    return new Fabric(this.token, { nowMs: () => performance.now(), log: (line) => this.log.push(line) });
  }
}

function introduce(hosts: readonly Host[]): void {
  for (const host of hosts)
    host.fabric.setPeers(
      host.id,
      hosts.filter((other) => other !== host).map((other) => other.peerFor(host)),
    );
}

async function twoHosts(): Promise<[Host, Host]> {
  const hosts: [Host, Host] = [await new Host('h1').start(), await new Host('h2').start()];
  introduce(hosts);
  return hosts;
}

/** Sends until it is heard: tunnels take a moment. */
async function meet(a: TestNic, b: TestNic): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await eventually(() => {
      from.send(BROADCAST, 'hello');
      expect(to.heard).toContain('hello');
    });
  }
}

test('NICs of one host reach each other; NICs of another network hear nothing', async () => {
  const host = await new Host('h1').start();
  const [a, b, other] = [await host.nic(1), await host.nic(2), await host.nic(3, 'other')];
  await meet(a, b);
  a.send(MAC(2), 'to b');
  b.send(MAC(1), 'to a');
  await eventually(() => expect([a.heard.at(-1), b.heard.at(-1)]).toEqual(['to a', 'to b']));
  expect(other.heard).toEqual([]);
});

test('a port counts the bytes of frames that its NIC has sent, and has been given', async () => {
  const host = await new Host('h1').start();
  const [a, b] = [await host.nic(1), await host.nic(2)];
  await meet(a, b);
  const before = host.fabric.traffic();
  const text = 'x'.repeat(1000);
  for (let i = 0; i < 10; i++) a.send(MAC(2), text);
  await eventually(() => expect(b.heard.filter((each) => each === text)).toHaveLength(10));
  const after = host.fabric.traffic();
  const of = (nic: string, what: 'sentBytes' | 'receivedBytes') =>
    after.ports.get(nic)![what] - before.ports.get(nic)![what];
  const sent = of('nic1', 'sentBytes');
  expect(sent).toBeGreaterThanOrEqual(10 * 1000);
  expect(sent).toBeLessThan(10 * 1100);
  expect(of('nic2', 'receivedBytes')).toBe(sent);
  // Nothing but what was still on its way of their first words.
  expect(of('nic1', 'receivedBytes') + of('nic2', 'sentBytes')).toBeLessThan(1000);
  expect(after.atMs).toBeGreaterThan(before.atMs);
});

test("a guest that sends from an address that is not its NIC's is not heard, and that is told once", async () => {
  const host = await new Host('h1').start();
  const [a, b] = [await host.nic(1), await host.nic(2)];
  await meet(a, b);
  a.send(BROADCAST, 'from b', MAC(2));
  a.send(BROADCAST, 'from nobody', MAC(9));
  a.send(BROADCAST, 'honest');
  await eventually(() => expect(b.heard).toContain('honest'));
  expect(b.heard.filter((text) => text !== 'hello')).toEqual(['honest']);
  expect(host.log).toEqual([expect.stringMatching(/port nic1: its guest sends from addresses that are not its NIC's/)]);
});

test('NICs of two hosts reach each other over the tunnel, in order, once', async () => {
  const [h1, h2] = await twoHosts();
  const [a, b] = [await h1.nic(1), await h2.nic(2)];
  await meet(a, b);
  for (let i = 0; i < 500; i++) a.send(MAC(2), `frame ${i}`);
  const expected = Array.from({ length: 500 }, (_, i) => `frame ${i}`);
  await eventually(() => expect(b.heard.filter((text) => text !== 'hello')).toEqual(expected));
});

test('among three hosts each hears a broadcast once', async () => {
  const hosts = [await new Host('h1').start(), await new Host('h2').start(), await new Host('h3').start()] as const;
  introduce(hosts);
  const [a, b, c] = [await hosts[0].nic(1), await hosts[1].nic(2), await hosts[2].nic(3)];
  await meet(a, b);
  await meet(b, c);
  await meet(a, c);
  a.send(BROADCAST, 'once');
  a.send(MAC(2), 'then b');
  a.send(MAC(3), 'then c');
  await eventually(() => expect([b.heard.at(-1), c.heard.at(-1)]).toEqual(['then b', 'then c']));
  const heard = (nic: TestNic) => nic.heard.filter((text) => text !== 'hello');
  expect([heard(b), heard(c)]).toEqual([
    ['once', 'then b'],
    ['once', 'then c'],
  ]);
});

test('an announcement moves an address to another host, for all', async () => {
  const hosts = [await new Host('h1').start(), await new Host('h2').start(), await new Host('h3').start()] as const;
  introduce(hosts);
  const peer = await hosts[0].nic(1);
  const local = await hosts[1].nic(3);
  const before = await hosts[1].nic(2);
  const after = await hosts[2].nic(2); // waits for its guest, silent
  await meet(peer, before);
  await meet(local, before);
  peer.send(MAC(2), 'still before');
  await eventually(() => expect(before.heard).toContain('still before'));
  expect(after.heard).not.toContain('still before');

  await eventually(() => expect(after.heard).toContain('hello')); // its host is joined: it gets broadcasts
  after.sendBytes(rarpAnnouncement(parseMac(MAC(2))));
  await eventually(() => {
    peer.send(MAC(2), 'after');
    local.send(MAC(2), 'from its former host');
    expect(after.heard).toContain('after');
    expect(after.heard).toContain('from its former host');
  });
  const told = before.heard.length;
  peer.send(MAC(2), 'last');
  await eventually(() => expect(after.heard).toContain('last'));
  expect(before.heard).toHaveLength(told);
});

test("when a host's agent is started again, tunnels and frames come back", async () => {
  const [h1, h2] = await twoHosts();
  const a = await h1.nic(1);
  await meet(a, await h2.nic(2));
  await h2.restart();
  h2.fabric.setPeers('h2', [h1.peerFor(h2)]);
  await meet(a, await h2.nic(2));
});

test('a host that is no peer any more is neither heard nor told', async () => {
  const [h1, h2] = await twoHosts();
  const [a, b] = [await h1.nic(1), await h2.nic(2)];
  await meet(a, b);
  h1.fabric.setPeers('h1', []);
  const told = [a.heard.length, b.heard.length];
  a.send(BROADCAST, 'into the void');
  await eventually(() => {
    b.send(BROADCAST, 'anybody there?');
    expect(h2.log.join()).toMatch(/no tunnel to host h1/);
  });
  expect([a.heard.length, b.heard.length]).toEqual(told);
});

test.each([
  ['a wrong key', (h1: Host, h2: Host) => ({ ...h2.peerFor(h1), key: tunnelKey('guessed', 'h1', 'h2') })],
  ['the key of another pair', (h1: Host, h2: Host) => ({ ...h2.peerFor(h1), key: tunnelKey(h2.token, 'h3', 'h2') })],
])('nobody gets in with %s', async (_, wrong) => {
  const [h1, h2] = [await new Host('h1').start(), await new Host('h2').start()];
  const [a, b] = [await h1.nic(1), await h2.nic(2)];
  h2.fabric.setPeers('h2', [h1.peerFor(h2)]);
  h1.fabric.setPeers('h1', [wrong(h1, h2)]);
  await eventually(() => {
    a.send(BROADCAST, 'intruder');
    expect(h1.log.join()).toMatch(/no tunnel to host h2/);
    expect(h2.log.join()).toMatch(/a tunnel was refused/);
  });
  expect(b.heard).toEqual([]);
});

test('nobody gets in who is no peer, or speaks no TLS', async () => {
  const [h1, h2] = [await new Host('h1').start(), await new Host('h2').start()];
  const [a, b] = [await h1.nic(1), await h2.nic(2)];
  h1.fabric.setPeers('h1', [h2.peerFor(h1)]);
  const stranger = connect(h2.port, '127.0.0.1');
  stranger.on('error', () => undefined);
  stranger.write(Buffer.concat([Uint8Array.of(0, 0, 0, 70, 1, 3), Buffer.from('lan'), Buffer.alloc(65, 0xff)]));
  await new Promise((resolve) => stranger.once('close', resolve));
  await eventually(() => {
    a.send(BROADCAST, 'not introduced');
    expect(h1.log.join()).toMatch(/no tunnel to host h2/);
  });
  expect(b.heard).toEqual([]);
});
