/** Guests that talk to each other: through switches and tunnels, over migrations, and with a guest on QEMU. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseMac } from '#network';
import { Fabric } from '../../apps/agent/network/fabric.js';
import { tunnelKey } from '../../apps/agent/network/tunnel.js';
import { isInstalled } from '../programs.js';
import { hasLinux, LinuxVm } from '../vmm/linux.js';
import { VmmProcess } from '../vmm/process.js';
import { lastEchoLine } from './echo.js';

const ECHO = join(import.meta.dirname, '../../guests/echo.elf');
const PATIENCE = { timeout: 90_000, interval: 50 };
const MAC = (n: number) => `52:54:00:00:00:0${n}`;

/** A host's switch. */
class Host {
  readonly folder = mkdtempSync(join(tmpdir(), 'drover-net-'));
  readonly fabric: Fabric;
  port = 0;

  constructor(readonly id: string) {
    this.fabric = new Fabric(id, { nowMs: () => performance.now(), log: () => undefined });
    onTestFinished(() => {
      this.fabric.close();
      rmSync(this.folder, { recursive: true });
    });
  }

  /** Options of a VMM for a NIC at a port of its own. */
  async nic(n: number, hasHeader = true): Promise<string[]> {
    const path = join(this.folder, `nic${n}`);
    await this.fabric.plug({ id: `nic${n}`, path, network: 'lan', mac: parseMac(MAC(n)), isDialled: false, hasHeader });
    return [
      ...['-netdev', `stream,id=n0,addr.type=unix,addr.path=${path},server=off${hasHeader ? ',vnet_hdr=on' : ''}`],
      ...['-device', `virtio-net-device,netdev=n0,mac=${MAC(n)}`],
    ];
  }
}

async function twoHosts(): Promise<[Host, Host]> {
  const [a, b] = [new Host('h1'), new Host('h2')];
  for (const host of [a, b]) host.port = await host.fabric.listen('127.0.0.1', 0);
  const peer = (of: Host, from: Host) => ({
    hostId: of.id,
    address: `127.0.0.1:${of.port}`,
    key: tunnelKey(of.id, from.id, of.id),
  });
  a.fabric.setPeers('h1', [peer(b, a)]);
  b.fabric.setPeers('h2', [peer(a, b)]);
  return [a, b];
}

const echo = (nic: readonly string[], append: string) =>
  new VmmProcess(readFileSync(ECHO), ['-m', '16M', '-append', `${append} line_ms=50`, ...nic]);

test('two guests of one host ask and answer each other', async () => {
  const host = new Host('h1');
  echo(await host.nic(1), 'ip=10.0.0.1');
  const asker = echo(await host.nic(2), 'ip=10.0.0.2 peer=10.0.0.1 interval_ms=5');
  await vi.waitFor(() => expect(lastEchoLine(asker.printed()).answered).toBeGreaterThan(100), PATIENCE);
  const { asked, answered, repeated } = lastEchoLine(asker.printed());
  expect(asked - answered).toBeLessThan(20); // on their way: a busy host answers later than the next is asked
  expect(repeated).toBe(0);
});

test('a guest that moves to another host is found there at once, by its peers and with its questions', async () => {
  const [h1, h2] = await twoHosts();
  const moving = echo(await h1.nic(1), 'ip=10.0.0.1 peer=10.0.0.2 interval_ms=5');
  const staying = echo(await h1.nic(2), 'ip=10.0.0.2 peer=10.0.0.1 interval_ms=5');
  for (const guest of [moving, staying]) {
    await vi.waitFor(() => expect(lastEchoLine(guest.printed()).answered).toBeGreaterThan(10), PATIENCE);
  }
  const socket = join(h2.folder, 'migration');
  const arrived = new VmmProcess(undefined, ['-m', '16M', ...(await h2.nic(1)), '-incoming', `unix:${socket}`]);
  await arrived.connect();
  const before = lastEchoLine(staying.printed());
  const source = await moving.connect();
  await source.execute('migrate', { uri: `unix:${socket}` });
  // Requests that come faster than the guest looks are one to it.
  await vi.waitFor(() => expect(lastEchoLine(arrived.printed()).announced).toBeGreaterThan(0), PATIENCE);
  await vi.waitFor(() => {
    expect(lastEchoLine(staying.printed()).answered).toBeGreaterThan(before.answered + 200);
    expect(lastEchoLine(arrived.printed()).answered).toBeGreaterThan(before.answered + 200);
  }, PATIENCE);
  for (const guest of [staying, arrived]) {
    const { asked, answered, repeated } = lastEchoLine(guest.printed());
    expect(asked - answered).toBeLessThan(100); // those of the moment in which it was nowhere
    expect(repeated).toBe(0);
  }
});

test('with its cable out a guest hears nothing; announce-self is heard', async () => {
  const host = new Host('h1');
  echo(await host.nic(1), 'ip=10.0.0.1');
  const asker = echo(await host.nic(2), 'ip=10.0.0.2 peer=10.0.0.1 interval_ms=5');
  await vi.waitFor(() => expect(lastEchoLine(asker.printed()).answered).toBeGreaterThan(10), PATIENCE);
  const qmp = await asker.connect();
  await qmp.execute('set_link', { name: 'n0', up: false });
  await vi.waitFor(() => expect(lastEchoLine(asker.printed()).silent_ms).toBeGreaterThan(200), PATIENCE);
  await qmp.execute('set_link', { name: 'n0', up: true });
  await vi.waitFor(() => expect(lastEchoLine(asker.printed()).silent_ms).toBeLessThan(200), PATIENCE);
  await qmp.execute('announce-self', { initial: 500, max: 1_000, rounds: 2, step: 500 });
  await vi.waitFor(() => expect(lastEchoLine(asker.printed()).announced).toBe(2), PATIENCE);
  await expect(qmp.execute('set_link', { name: 'n1', up: true })).rejects.toThrow(/Device 'n1' not found/);
});

const hasQemu = isInstalled('qemu-system-riscv64', 'a guest on QEMU at the same switch');
test.skipIf(!hasQemu)('a guest on QEMU and one of ours ask each other at the same switch', async () => {
  const host = new Host('h1');
  const ours = echo(await host.nic(1), 'ip=10.0.0.1 peer=10.0.0.2 interval_ms=5');
  const args = ['-M', 'virt', '-global', 'virtio-mmio.force-legacy=false', '-m', '64M', '-nographic'];
  const theirs = spawn(
    'qemu-system-riscv64',
    [
      ...args,
      '-kernel',
      ECHO,
      '-append',
      'ip=10.0.0.2 peer=10.0.0.1 interval_ms=5 line_ms=50',
      ...(await host.nic(2, false)),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let printed = '';
  theirs.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  onTestFinished(() => void theirs.kill('SIGKILL'));
  await vi.waitFor(() => {
    expect(lastEchoLine(ours.printed()).answered).toBeGreaterThan(100);
    expect(lastEchoLine(printed).answered).toBeGreaterThan(100);
  }, PATIENCE);
  expect(lastEchoLine(printed).repeated).toBe(0);
});

describe.runIf(hasLinux('a TCP connection between Linux guests'))('Linux guests', () => {
  test('keep a TCP connection, and every byte of it, while one of them moves to another host', async () => {
    const [h1, h2] = await twoHosts();
    const guest = async (n: number) =>
      LinuxVm.start({ ramMiB: 128, append: `quiet address=10.0.0.${n}/24`, args: await h1.nic(n) });
    const [moving, staying] = await Promise.all([guest(1), guest(2)]);
    await Promise.all([moving, staying].map((vm) => vm.waitFor(/drover: ready after .* s\r?\n[^]*# /)));

    await moving.shell('nc -l -p 7 -e cat > /dev/null 2>&1 &');
    const numbers = 'i=0; while [ ! -e /run/end ]; do seq $i $((i + 999)); i=$((i + 1000)); usleep 10000; done';
    await staying.shell(`(${numbers}) | tee /run/sent | nc 10.0.0.1 7 > /run/back & echo $! > /run/pid`);
    const echoed = async () => Number(await staying.shell('stat -c %s /run/back'));
    await vi.waitFor(async () => expect(await echoed()).toBeGreaterThan(50_000), PATIENCE);

    const arrived = await moving.move({ ramMiB: 128, args: await h2.nic(1) });
    const before = await echoed();
    await vi.waitFor(async () => expect(await echoed()).toBeGreaterThan(before + 50_000), PATIENCE);
    await staying.shell('touch /run/end; while kill -0 $(cat /run/pid); do sleep 1; done 2> /dev/null');
    await staying.shell('cmp /run/sent /run/back');
    expect(await arrived.shell('cat /sys/class/net/eth0/operstate')).toBe('up');
  }, 300_000);
});
