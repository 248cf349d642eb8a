/** The network device, driven as a guest drives it. */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { VirtioNet, type NetState } from '../../libs/vmm/devices/virtio/net.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

const [RECEIVE, TRANSMIT, CONTROL] = [0, 1, 2];
const VERSION_1 = 1n << 32n;
const EVENT_IDX = 1n << 29n;
const MRG_RXBUF = 1n << 15n;
const GUEST_ANNOUNCE = (1n << 21n) | (1n << 17n);
const NEEDS_RESET = 64;
const HEADER = 12;
const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);

/** A packet, or a part of one. */
const packetOf = (size: number, seed = 1) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) & 0xff);

function newNic(memory?: VirtioDriver['memory']) {
  const sent: Uint8Array[] = [];
  const ports = {
    takesMore: true,
    send: (frame: Uint8Array) => {
      sent.push(frame);
      return ports.takesMore;
    },
    hasRoom: vi.fn<() => void>(),
    arrived: vi.fn<() => void>(),
  };
  const nic = new VirtioNet({ mac: MAC, mtu: 1400 }, ports);
  const driver = new VirtioDriver(nic, memory);
  return { nic, driver, sent, ports };
}

/** A NIC in use by a guest that runs. */
function running(features = VERSION_1) {
  const parts = newNic();
  expect(parts.driver.start(features)).toBe(15);
  parts.driver.transport.resume();
  return parts;
}

const buffer = (index: number, size: number) => ({ address: BUFFERS + index * 0x1_0000, size, writable: true });

describe('what the guest sends', () => {
  test('goes out with its header, in order, in however many buffers it lies', () => {
    const { driver, sent } = running();
    driver.memory.writeBytes(BUFFERS, packetOf(200));
    driver.add(TRANSMIT, [
      { address: BUFFERS, size: HEADER },
      { address: BUFFERS + HEADER, size: 188 },
    ]);
    driver.add(TRANSMIT, [{ address: BUFFERS, size: HEADER + 60 }]);
    driver.notify(TRANSMIT);
    expect(sent).toEqual([packetOf(200), packetOf(HEADER + 60)]);
    expect(driver.used(TRANSMIT).map(({ written }) => written)).toEqual([0, 0]);
  });

  test('waits in the guest while the backend takes nothing', () => {
    const { nic, driver, sent, ports } = running();
    ports.takesMore = false;
    for (let i = 0; i < 3; i++) driver.add(TRANSMIT, [{ address: BUFFERS, size: HEADER + 60 }]);
    driver.notify(TRANSMIT);
    expect(sent).toHaveLength(1);
    ports.takesMore = true;
    nic.sent();
    expect(sent).toHaveLength(3);
  });

  test.each([
    ['shorter than its header', 11],
    ['longer than any frame', 80_000],
  ])('stops the device if it is %s', (_, size) => {
    const { driver, sent } = running();
    driver.add(TRANSMIT, [{ address: BUFFERS, size }]);
    driver.notify(TRANSMIT);
    expect(sent).toEqual([]);
    expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });
});

describe('what the guest receives', () => {
  test('keeps its header, which counts one buffer', () => {
    const { nic, driver } = running();
    const head = driver.add(RECEIVE, [buffer(0, HEADER), buffer(1, 2000)]);
    const packet = packetOf(HEADER + 1500);
    expect(nic.receive(packet)).toBe(true);
    expect(driver.used(RECEIVE)).toEqual([{ head, written: HEADER + 1500 }]);
    expect([...driver.memory.readBytes(BUFFERS, HEADER)]).toEqual([...packet.subarray(0, 10), 1, 0]);
    expect(driver.memory.readBytes(BUFFERS + 0x1_0000, 1500)).toEqual(packet.slice(HEADER));
  });

  test('is held back while the guest has no buffer, and asked for when it may have one', () => {
    const { nic, driver, ports } = running();
    expect(nic.receive(packetOf(60))).toBe(false);
    driver.add(RECEIVE, [buffer(0, 100)]);
    ports.hasRoom.mockClear();
    driver.notify(RECEIVE);
    expect(ports.hasRoom).toHaveBeenCalledOnce();
    expect(nic.receive(packetOf(60))).toBe(true);
  });

  test('fills several buffers that the guest sees at once, if it can join them', () => {
    const { nic, driver } = running(VERSION_1 | MRG_RXBUF);
    for (let i = 0; i < 3; i++) driver.add(RECEIVE, [buffer(i, 100)]);
    const packet = packetOf(262);
    expect(nic.receive(packet)).toBe(true);
    expect(driver.used(RECEIVE).map(({ written }) => written)).toEqual([100, 100, 62]);
    expect(driver.memory.read16(BUFFERS + 10)).toBe(3);
    const parts = [100, 100, 62].map((size, i) => driver.memory.readBytes(BUFFERS + i * 0x1_0000, size));
    expect([...Buffer.concat(parts).subarray(HEADER)]).toEqual([...packet.subarray(HEADER)]);
  });

  test('leaves buffers alone that are too few together', () => {
    const { nic, driver } = running(VERSION_1 | MRG_RXBUF);
    driver.add(RECEIVE, [buffer(0, 100)]);
    expect(nic.receive(packetOf(250))).toBe(false);
    expect(driver.used(RECEIVE)).toEqual([]);
    for (let i = 1; i < 3; i++) driver.add(RECEIVE, [buffer(i, 100)]);
    expect(nic.receive(packetOf(250))).toBe(true);
    expect(driver.used(RECEIVE)).toHaveLength(3);
  });

  test('is lost if it is longer than one buffer, or than all of them', () => {
    const alone = running();
    alone.driver.add(RECEIVE, [buffer(0, 100)]);
    expect(alone.nic.receive(packetOf(250))).toBe(true);
    expect(alone.nic.receive(packetOf(60))).toBe(true);
    expect(alone.driver.used(RECEIVE)).toEqual([{ head: 0, written: 60 }]);

    const joined = running(VERSION_1 | MRG_RXBUF);
    for (let i = 0; i < 8; i++) joined.driver.add(RECEIVE, [buffer(i, 20)]);
    expect(joined.nic.receive(packetOf(250))).toBe(true);
    expect(joined.driver.used(RECEIVE)).toEqual([]);
  });

  test('is lost if the guest drives no device, has not run here yet or the cable is out; held while it is paused', async () => {
    const idle = newNic();
    expect(idle.nic.receive(packetOf(60))).toBe(true);
    const { nic, driver } = running();
    driver.add(RECEIVE, [buffer(0, 100)]);
    nic.setLink(false);
    expect(nic.receive(packetOf(60))).toBe(true);
    nic.setLink(true);
    await driver.transport.quiesce();
    expect(nic.receive(packetOf(60))).toBe(false);
    expect(driver.used(RECEIVE)).toEqual([]);
  });

  test('stops the device if there is no room for a header', () => {
    const { nic, driver } = running(VERSION_1 | MRG_RXBUF);
    driver.add(RECEIVE, [buffer(0, 8)]);
    driver.add(RECEIVE, [buffer(1, 100)]);
    nic.receive(packetOf(60));
    expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });
});

describe('the configuration', () => {
  test('tells address, link, pairs of queues and MTU', () => {
    const { nic, driver } = running();
    const config = () => Array.from({ length: 12 }, (_, i) => driver.transport.read(0x100 + i, 1));
    expect(config()).toEqual([...MAC, 1, 0, 1, 0, 0x78, 5]);
    nic.setLink(false);
    expect(config()[6]).toBe(0);
    expect(driver.read(0x60)).toBe(2);
    nic.setLink(false);
    expect(driver.read(0xfc)).toBe(1); // once
  });

  test('says what the guest takes as it is', () => {
    expect(running().nic.offloads).toEqual({ checksum: false, tcp4: false, tcp6: false });
    expect(running(VERSION_1 | 0b1_1000_0010n).nic.offloads).toEqual({ checksum: true, tcp4: true, tcp6: true });
  });

  test('asks for an announcement until the guest acknowledges it, if its driver can', () => {
    const status = (driver: VirtioDriver) => driver.transport.read(0x106, 2);
    const cannot = running();
    cannot.nic.announce();
    expect(status(cannot.driver)).toBe(1);

    const { nic, driver } = running(VERSION_1 | GUEST_ANNOUNCE);
    nic.announce();
    expect(status(driver)).toBe(3);
    expect(driver.line).toBe(true);
    const request = (kind: number, command: number) => {
      driver.memory.writeBytes(BUFFERS, Uint8Array.of(kind, command));
      driver.add(CONTROL, [{ address: BUFFERS, size: 2 }, buffer(1, 1)]);
      driver.notify(CONTROL);
      return driver.memory.read8(BUFFERS + 0x1_0000);
    };
    expect(request(1, 0)).toBe(1); // refused: not offered
    expect(status(driver)).toBe(3);
    expect(request(3, 0)).toBe(0);
    expect(status(driver)).toBe(1);
  });
});

describe('at the other end of a migration', () => {
  async function moved(change: Partial<NetState> = {}) {
    const source = running(VERSION_1 | GUEST_ANNOUNCE | EVENT_IDX);
    source.driver.add(RECEIVE, [buffer(0, 100)]);
    source.nic.announce();
    await source.driver.transport.quiesce();
    const saved = JSON.parse(JSON.stringify(source.driver.transport.save())) as ReturnType<
      typeof source.driver.transport.save
    >;
    const state = { ...saved, device: { ...(saved.device as NetState), ...change } };
    const destination = newNic(source.driver.memory);
    destination.driver.transport.restore(state);
    return { source, destination, state };
  }

  test('the NIC is the same; it takes nothing before its guest runs, and says when that is', async () => {
    const { source, destination, state } = await moved();
    const { nic, driver, ports } = destination;
    expect(driver.transport.save()).toEqual(state);
    expect(nic.receive(packetOf(60))).toBe(true);
    expect(source.driver.used(RECEIVE)).toEqual([]);
    expect(ports.arrived).not.toHaveBeenCalled();
    driver.transport.resume();
    expect(ports.arrived).toHaveBeenCalledOnce();
    expect(nic.receive(packetOf(60))).toBe(true);
    expect(source.driver.used(RECEIVE)).toEqual([{ head: 0, written: 60 }]);
    await driver.transport.quiesce();
    driver.transport.resume();
    expect(ports.arrived).toHaveBeenCalledOnce();
  });

  test('a NIC with another address, or an impossible status, is refused', async () => {
    await expect(moved({ mac: '525400010204' })).rejects.toThrow(/mac is 525400010204, this NIC has 525400010203/);
    await expect(moved({ status: 4 })).rejects.toThrow(/status is 4/);
  });
});

test('garbage in rings, headers and registers never reaches beyond RAM and never throws', () => {
  const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const access = fc.record({ offset: fc.nat(0x1ff), size: fc.constantFrom(1, 2, 4), value: fc.nat(0xffff_ffff) });
  fc.assert(
    fc.property(bytes, fc.array(access, { maxLength: 20 }), fc.boolean(), (ring, writes, merges) => {
      const { nic, driver } = running(VERSION_1 | EVENT_IDX | GUEST_ANNOUNCE | (merges ? MRG_RXBUF : 0n));
      for (const queue of [RECEIVE, TRANSMIT, CONTROL]) {
        const { descriptors, available } = driver.rings(queue);
        driver.memory.writeBytes(descriptors, ring);
        // Addresses in RAM half of the time, so that more than the first check is reached.
        if (ring[queue]! & 1) for (let i = 0; i < 4; i++) driver.memory.write32(descriptors + i * 16, BUFFERS + i * 64);
        if (ring[queue]! & 1) for (let i = 0; i < 4; i++) driver.memory.write32(descriptors + i * 16 + 4, 0);
        driver.memory.writeBytes(available, ring.subarray(7));
        driver.memory.write16(available + 2, ring[9]! & 7);
        driver.notify(queue);
        nic.receive(packetOf(ring[11]! * 8));
        nic.announce();
      }
      for (const { offset, size, value } of writes) {
        driver.transport.write(offset, size, value);
        nic.receive(packetOf(ring[12]!));
        nic.sent();
      }
      expect([0, 1]).toContain(Number(driver.line));
    }),
    { numRuns: 300 },
  );
});
