/** What -chardev and ports are given; sockets and files at the host's end of a port. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openChardevs, type Chardevs } from '../../apps/vmm/devices/chardevs.js';
import { plugDevices } from '../../apps/vmm/devices/plug.js';
import { bareHost } from './bare-host.js';
import { ConsoleDriver, receiveQueue } from './console-driver.js';

const nothing = () => undefined;
const EVENTUALLY = { timeout: 90_000, interval: 2 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'drover-chardev-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function open(...texts: string[]): Promise<Chardevs> {
  const chardevs = await openChardevs(texts, nothing);
  onTestFinished(() => chardevs.close());
  return chardevs;
}

const plug = (chardevs: Chardevs, ...devices: string[]) => plugDevices({ devices }, { ...bareHost(), chardevs });

/** A guest with a port whose other end is that chardev. */
async function portOn(text: string) {
  const chardevs = await open(`${text},id=c0`);
  const driver = new ConsoleDriver([{ number: 1, backend: chardevs.take('c0') }]).start();
  driver.open(1);
  driver.offer(receiveQueue(1), 30);
  return driver;
}

function client(path: string): Socket & { heard: string } {
  const socket = Object.assign(connect(path), { heard: '' });
  onTestFinished(() => void socket.destroy());
  socket.setEncoding('latin1').on('data', (text) => (socket.heard += String(text)));
  return socket;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

test('a socket serves one client after the other, and tells the guest of each', async () => {
  const path = join(folder(), 'agent');
  const driver = await portOn(`socket,path=${path},server=on,wait=off`);
  const first = client(path);
  await vi.waitFor(() => expect(driver.heard()).toContain('1 event 6 = 1'), EVENTUALLY);
  first.write('hello guest');
  await vi.waitFor(() => expect(driver.read(1)).toBe('hello guest'), EVENTUALLY);
  driver.send(1, bytesOf('hello host'));
  await vi.waitFor(() => expect(first.heard).toBe('hello host'), EVENTUALLY);

  const second = client(path);
  second.write('is it my turn?');
  first.end('bye');
  let read = '';
  await vi.waitFor(() => expect((read += driver.read(1))).toBe('byeis it my turn?'), EVENTUALLY);
  driver.send(1, bytesOf('it is'));
  await vi.waitFor(() => expect(second.heard).toBe('it is'), EVENTUALLY);
});

test('a client that does not read makes the guest wait, and gets every byte once it does', async () => {
  const path = join(folder(), 'agent');
  const driver = await portOn(`socket,path=${path},server=on,wait=off`);
  const reader = client(path).pause();
  await vi.waitFor(() => expect(driver.heard()).toContain('1 event 6 = 1'), EVENTUALLY);
  let sent = 0;
  let done = 0;
  while (sent - done < 50) {
    driver.send(1, new Uint8Array(2000).fill(65 + (sent % 26)));
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
    done += driver.sent(1);
  }
  reader.resume();
  await vi.waitFor(() => expect(reader.heard).toHaveLength(sent * 2000), EVENTUALLY);
  expect(reader.heard).toBe(
    Array.from({ length: sent }, (_, at) => String.fromCharCode(65 + (at % 26)).repeat(2000)).join(''),
  );
});

test('a client that writes faster than the guest reads waits', async () => {
  const path = join(folder(), 'agent');
  const driver = await portOn(`socket,path=${path},server=on,wait=off`);
  const writer = client(path);
  const text = Array.from({ length: 40_000 }, (_, at) => String(at)).join(' ');
  writer.end(text);
  let read = '';
  await vi.waitFor(() => {
    read += driver.read(1);
    driver.offer(receiveQueue(1), 10);
    expect(read).toHaveLength(text.length);
  }, EVENTUALLY);
  expect(read).toBe(text);
});

test('a file gets what the guest sends', async () => {
  const path = join(folder(), 'log');
  const driver = await portOn(`file,path=${path}`);
  driver.send(1, bytesOf('one '));
  driver.send(1, bytesOf('two'));
  await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe('one two'), EVENTUALLY);
});

test.each([
  ['socket,id=c,path=/s', /give server=on/],
  ['socket,id=c,path=/s,server=on', /give wait=off/],
  ['socket,id=c,server=on,wait=off', /path= is missing/],
  ['socket,id=c,path=/nowhere/s,server=on,wait=off', /-chardev socket,.*ENOENT|EACCES/],
  ['file,id=c,path=/nowhere/f', /ENOENT/],
  ['null', /id= is missing/],
  ['pty,id=c', /unknown backend; there are socket, file and null/],
  ['null,id=c,frob', /unknown property frob/],
])('-chardev %s is refused', async (text, reason) => {
  await expect(openChardevs([text], nothing)).rejects.toThrow(reason);
});

test.each([
  [['virtserialport,chardev=c0'], /put -device virtio-serial-device before it/],
  [['virtio-serial-device', 'virtserialport,chardev=c9'], /there is no -chardev with id=c9/],
  [['virtio-serial-device', 'virtserialport,chardev=c0', 'virtconsole,chardev=c0'], /c0 has a port already/],
  [['virtio-serial-device', 'virtserialport,chardev=c0,bus=x.0'], /there is no bus x.0/],
  [['virtio-serial-device,max_ports=1', 'virtserialport,chardev=c0'], /port 1: this device has 1 port/],
  [['virtio-serial-device', 'virtserialport,chardev=c0,nr=2', 'virtserialport,chardev=c1,nr=2'], /port 2 is taken/],
])('-device %s is refused', async (devices, reason) => {
  await expect(plug(await open('null,id=c0', 'null,id=c1'), ...devices)).rejects.toThrow(reason);
});

test('ports are plugged into the device of their bus, which alone has a slot', async () => {
  const chardevs = await open('null,id=c0', 'null,id=c1', 'null,id=c2');
  const { plugged, objects } = await plug(
    chardevs,
    'virtio-serial-device,id=vs0',
    'virtio-serial-device,max_ports=2',
    'virtserialport,bus=vs0.0,chardev=c0,id=agent',
    'virtconsole,chardev=c1',
    'virtserialport,chardev=c2',
  );
  expect(plugged.flatMap(({ device }) => device?.queueSizes.length ?? [])).toEqual([18, 6]);
  expect(objects.has('/machine/peripheral/agent')).toBe(true);
});
