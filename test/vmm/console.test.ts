/** The console device, driven as a guest drives it, with hosts that read at their own pace. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PortBackend, PortEvents } from '../../libs/vmm/devices/virtio/console-port.js';
import { CONSOLE_PORT, ConsoleDriver, DEVICE_ADD, F_MULTIPORT, PORT_NAME, PORT_OPEN } from './console-driver.js';
import { DEVICE_READY, PORT_READY, receiveQueue, VERSION_1, type PortSpec } from './console-driver.js';
import { BUFFERS } from './virtio-driver.js';

const AGENT = 'org.qemu.guest_agent.0';
const NEEDS_RESET = 64;
const bytesOf = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const textOf = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes);

/** A host's end that takes what it has room for, and keeps what the port does not take. */
class Host implements PortBackend {
  isOpen = false;
  isFull = false;
  got = '';
  unread: Uint8Array = new Uint8Array(0);
  port!: PortEvents;

  constructor(private readonly room = Infinity) {}

  attach(port: PortEvents): void {
    this.port = port;
  }

  write(bytes: Uint8Array): void {
    this.got += textOf(bytes);
    this.isFull = this.got.length >= this.room;
  }

  readMore(): void {
    this.unread = this.unread.subarray(this.port.receive(this.unread));
  }

  connect(isOpen = true): void {
    this.isOpen = isOpen;
    this.port.openChanged();
  }

  say(text: string): void {
    this.unread = Uint8Array.of(...this.unread, ...bytesOf(text));
    this.readMore();
  }

  /** Its reader has read. */
  empty(): string {
    const { got } = this;
    this.got = '';
    this.isFull = false;
    this.port.writable();
    return got;
  }
}

function agentPort(host = new Host(), more: readonly PortSpec[] = []) {
  const ports = [{ number: 1, name: AGENT, backend: host }, ...more];
  const driver = new ConsoleDriver(ports).start();
  return { host, driver, ports };
}

test('a driver learns which ports there are, their names, and which is a console', () => {
  const hvc = new Host();
  const { driver } = agentPort(new Host(), [{ number: 0, isConsole: true, backend: hvc }]);
  expect(driver.virtio.read(0x104)).toBe(3);
  expect(driver.open(1, 0)).toEqual([
    `1 event ${DEVICE_ADD} = 1`,
    `0 event ${DEVICE_ADD} = 1`,
    `1 event ${PORT_NAME} = 1 ${AGENT}!`,
    `0 event ${CONSOLE_PORT} = 1`,
    `0 event ${PORT_OPEN} = 1`,
  ]);
  expect(driver.opened).toEqual(['open 1', 'open 0']);
});

test('bytes go both ways, and each end hears when the other opens and closes', () => {
  const { host, driver } = agentPort();
  driver.open(1);
  host.connect();
  expect(driver.heard()).toEqual([`1 event ${PORT_OPEN} = 1`]);
  driver.send(1, bytesOf('from the guest'));
  expect([host.got, driver.sent(1)]).toEqual(['from the guest', 1]);
  driver.offer(receiveQueue(1));
  host.say('from the host');
  expect(driver.read(1)).toBe('from the host');
  host.connect(false);
  expect(driver.heard()).toEqual([`1 event ${PORT_OPEN} = 0`]);
  driver.control(1, PORT_OPEN, 0);
  expect(driver.opened).toEqual(['open 1', 'closed 1']);
});

test('what the guest sends while nobody is there is lost, and its buffers come back', () => {
  const { host, driver } = agentPort();
  driver.open(1);
  driver.send(1, bytesOf('unheard'));
  expect(driver.sent(1)).toBe(1);
  host.connect();
  expect(host.got).toBe('');
});

describe('whoever is slow makes the other wait', () => {
  test('the guest, in the midst of a buffer', () => {
    const { host, driver } = agentPort(new Host(1));
    driver.open(1);
    host.connect();
    driver.send(1, new Uint8Array(2000).fill(65));
    driver.send(1, bytesOf('B'));
    expect([host.got.length, driver.sent(1)]).toEqual([2000, 1]);
    expect(host.empty()).toHaveLength(2000);
    expect([host.got, driver.sent(1)]).toEqual(['B', 1]);
  });

  test('but not the guest that writes on its console: what is too much is lost', () => {
    const hvc = new Host(1);
    const driver = new ConsoleDriver([{ number: 0, isConsole: true, backend: hvc }]).start();
    driver.open(0);
    hvc.connect();
    for (const text of ['one', 'two', 'three']) driver.send(0, bytesOf(text));
    expect([hvc.got, driver.sent(0)]).toEqual(['one', 3]);
  });

  test('the host, until there are buffers', () => {
    const { host, driver } = agentPort();
    driver.open(1);
    host.connect();
    host.say('x'.repeat(10_000));
    expect(host.unread).toHaveLength(10_000 - 4096);
    driver.offer(receiveQueue(1), 30);
    expect(driver.read(1)).toHaveLength(30 * 256);
    driver.offer(receiveQueue(1), 10);
    expect(driver.read(1)).toHaveLength(10_000 - 30 * 256);
    expect(host.unread).toHaveLength(0);
  });

  test('the host, until the guest has opened the port', () => {
    const { host, driver } = agentPort();
    driver.offer(receiveQueue(1), 2);
    host.connect();
    host.say('early');
    expect(driver.read(1)).toBe('');
    driver.open(1);
    expect(driver.read(1)).toBe('early');
  });
});

test('without MULTIPORT there is port 0 alone, and no control', () => {
  const host = new Host();
  const driver = new ConsoleDriver([{ number: 0, isConsole: true, backend: host }]).start(VERSION_1);
  host.connect();
  driver.send(0, bytesOf('boot'));
  driver.offer(0);
  host.say('root');
  expect([host.got, driver.read(0), driver.heard()]).toEqual(['boot', 'root', []]);
});

test('a guest that asks and asks without taking answers is not listened to, until it does', () => {
  const { driver } = agentPort();
  for (let asked = 0; asked < 160; asked++) driver.control(0, DEVICE_READY, 1);
  expect(driver.device.save().control.length).toBeLessThanOrEqual(64);
  let answers = 0;
  for (let round = 0; round < 8; round++) {
    answers += driver.heard().length;
    driver.offer(2, 40);
  }
  expect(answers).toBe(160);
  expect(driver.device.save().control).toEqual([]);
});

test('a host that comes and goes unseen leaves one message', () => {
  const { host, driver } = agentPort();
  driver.open(1);
  const { length } = driver.device.save().control;
  for (let time = 0; time < 1000; time++) host.connect(time % 2 === 0);
  expect(driver.device.save().control.length).toBeLessThanOrEqual(length + 1);
});

test('a reset closes every port and forgets what was meant for the guest of before', () => {
  const { host, driver } = agentPort();
  driver.open(1);
  host.connect();
  host.say('old');
  driver.start();
  expect(driver.opened).toEqual(['open 1', 'closed 1']);
  driver.offer(receiveQueue(1));
  expect(driver.open(1)).toContain(`1 event ${PORT_OPEN} = 1`);
  host.say('new');
  expect(driver.read(1)).toBe('new');
});

describe('held still', () => {
  type State = ReturnType<ConsoleDriver['virtio']['transport']['save']>;

  test('it takes nothing; bytes on their way arrive elsewhere, in order, each once', async () => {
    const { host, driver } = agentPort(new Host(1));
    driver.open(1);
    host.connect();
    driver.send(1, bytesOf('first'));
    driver.send(1, bytesOf('second'));
    host.say('unread');
    await driver.virtio.transport.quiesce();
    host.say('later');
    expect(textOf(host.unread)).toBe('later');
    const state = JSON.parse(JSON.stringify(driver.virtio.transport.save())) as State;

    const hostThere = new Host();
    const there = new ConsoleDriver([{ number: 1, name: AGENT, backend: hostThere }], driver.virtio.memory);
    there.virtio.transport.restore(state);
    expect(there.virtio.transport.save()).toEqual(state);
    expect(there.opened).toEqual(['open 1']);
    hostThere.connect();
    there.virtio.transport.resume();
    expect(hostThere.got).toBe('second');
    driver.offer(receiveQueue(1));
    there.virtio.notify(receiveQueue(1));
    expect(driver.read(1)).toBe('unread');
  });

  test('it hears at the other end that nobody is there', async () => {
    const { host, driver, ports } = agentPort();
    driver.open(1);
    host.connect();
    driver.heard();
    await driver.virtio.transport.quiesce();
    const elsewhere = new ConsoleDriver(
      ports.map((port) => ({ ...port, backend: new Host() })),
      driver.virtio.memory,
    );
    elsewhere.virtio.transport.restore(driver.virtio.transport.save());
    elsewhere.virtio.transport.resume();
    expect(driver.heard()).toEqual([`1 event ${PORT_OPEN} = 0`]);
  });

  test.each([
    ['ports', { ports: [] }, /ports is not a list of 1/],
    ['control', { control: [{ id: 1, event: 2 ** 16, value: 0 }] }, /event is 65536/],
    ['a backlog', { control: Array.from({ length: 100 }, () => ({ id: 0, event: 0, value: 0 })) }, /at most 76/],
  ])('a state with impossible %s is refused', (_, change, reason) => {
    const { device } = agentPort().driver;
    expect(() => device.restore({ ...device.save(), ...change })).toThrow(reason);
  });

  test.each([
    ['number', { number: 2 }, /port 2, here it is port 1/],
    ['openness', { isGuestOpen: 2 }, /isGuestOpen is 2/],
    ['bytes', { received: [256] }, /received is not a list/],
    ['amount', { received: Array.from({ length: 5000 }, () => 0) }, /5000 bytes, at most 4096/],
  ])('a port with another or impossible %s is refused', (_, change, reason) => {
    const { device } = agentPort().driver;
    const { control, ports } = device.save();
    expect(() => device.restore({ control, ports: [{ ...ports[0]!, ...change }] })).toThrow(reason);
  });
});

test('any pace of reading and writing leaves both streams whole', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send'), size: fc.integer({ min: 1, max: 1500 }) }),
    fc.record({ kind: fc.constantFrom('say', 'offer'), size: fc.integer({ min: 1, max: 700 }) }),
    fc.record({ kind: fc.constantFrom('empty', 'move'), size: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { host, driver } = agentPort(new Host(1000));
      driver.open(1);
      host.connect();
      const letter = (index: number) => String.fromCharCode(65 + (index % 26));
      let [toHost, toGuest, atHost, atGuest] = ['', '', '', ''];
      let waiting = 0;
      steps.forEach(({ kind, size }, index) => {
        const text = letter(index).repeat(size);
        waiting -= driver.sent(1);
        if (kind === 'send' && waiting < 50) {
          driver.send(1, bytesOf(text));
          toHost += text;
          waiting++;
        }
        if (kind === 'say') {
          host.say(text);
          toGuest += text;
        }
        if (kind === 'offer') driver.offer(receiveQueue(1), 1, size);
        atGuest += driver.read(1);
        if (kind === 'empty') atHost += host.empty();
        if (kind === 'move') {
          void driver.virtio.transport.quiesce();
          driver.virtio.transport.restore(driver.virtio.transport.save());
          driver.virtio.transport.resume();
        }
      });
      while (host.got !== '') atHost += host.empty();
      for (let left = 0; left < 60; left++) {
        driver.offer(receiveQueue(1), 1, 1800);
        atGuest += driver.read(1);
      }
      expect(atHost).toBe(toHost);
      expect(atGuest).toBe(toGuest);
    }),
    { numRuns: 40 },
  );
});

test('garbage in control and port queues never reaches beyond RAM and never throws', () => {
  const buffer = fc.record({
    address: fc.oneof(
      fc.nat(0x2000).map((at) => BUFFERS + at),
      fc.nat(2 ** 31),
    ),
    size: fc.oneof(fc.nat(64), fc.nat(0xffff_ffff)),
    writable: fc.boolean(),
  });
  const request = fc.record({ queue: fc.nat(7), buffers: fc.array(buffer, { minLength: 1, maxLength: 4 }) });
  const message = fc.tuple(fc.oneof(fc.nat(3), fc.nat(0xffff_ffff)), fc.nat(9), fc.nat(2));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), fc.array(request, { maxLength: 10 }), (messages, requests) => {
      const { host, driver } = agentPort(new Host(10_000));
      driver.control(1, PORT_READY, 1);
      for (const words of messages) driver.control(...words);
      host.connect();
      host.say('for the guest');
      for (const { queue, buffers } of requests) {
        driver.virtio.add(queue, buffers);
        driver.virtio.notify(queue);
      }
      expect(driver.virtio.errors).toHaveLength(driver.virtio.status & NEEDS_RESET ? 1 : 0);
    }),
    { numRuns: 100 },
  );
});

test('F_MULTIPORT is offered', () => {
  expect(agentPort().driver.device.features & F_MULTIPORT).toBe(F_MULTIPORT);
});
