import { assert, dictionary, letrec, oneof, property, record, stringMatching, uint8Array, constant } from 'fast-check';
import { expect, test } from 'vitest';
import { buildDeviceTree } from '../../libs/vmm/device-tree.js';
import { writeFdt, type FdtNode } from '../../libs/vmm/fdt.js';

interface Read {
  properties: Record<string, Uint8Array>;
  children: Record<string, Read>;
}

/** Reads a flattened tree strictly: every offset, size and token as the specification has them. */
function readFdt(blob: Uint8Array): Read {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const header = Array.from({ length: 10 }, (_, index) => view.getUint32(index * 4));
  const [magic, total, structureAt, stringsAt, reservedAt, version, compatible, , stringsSize, structureSize] =
    header as number[];
  expect([magic, total, version, compatible]).toEqual([0xd00dfeed, blob.length, 17, 16]);
  expect(reservedAt! % 8).toBe(0);
  expect(structureAt! % 4).toBe(0);
  expect(stringsAt! + stringsSize!).toBe(blob.length);
  let at = structureAt!;
  const token = () => view.getUint32((at += 4) - 4);
  const text = (from: number) => new TextDecoder().decode(blob.subarray(from, blob.indexOf(0, from)));
  const align = () => (at = (at + 3) & ~3);

  const node = (): [string, Read] => {
    const name = text(at);
    at = blob.indexOf(0, at) + 1;
    align();
    const read: Read = { properties: {}, children: {} };
    for (;;) {
      const next = token();
      if (next === 2) return [name, read];
      if (next === 1) {
        const [child, content] = node();
        read.children[child] = content;
      } else {
        if (next !== 3) throw new Error(`token ${next} at ${at - 4}`);
        const [length, nameAt] = [token(), token()];
        if (nameAt! >= stringsSize!) throw new Error(`a property's name lies outside the strings block`);
        read.properties[text(stringsAt! + nameAt!)] = blob.slice(at, at + length!);
        at += length!;
        align();
      }
    }
  };
  expect(token()).toBe(1);
  const [name, root] = node();
  expect(name).toBe('');
  expect(token()).toBe(9);
  expect(at).toBe(structureAt! + structureSize!);
  return root;
}

const cells = (bytes: Uint8Array | undefined) => {
  const view = new DataView(bytes!.buffer, bytes!.byteOffset, bytes!.length);
  return Array.from({ length: bytes!.length / 4 }, (_, index) => view.getUint32(index * 4));
};
const strings = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes).split('\0').slice(0, -1);

const bytes = uint8Array({ maxLength: 40 });
const name = stringMatching(/^[a-z][a-z0-9,._+-]{0,20}$/);
const tree = letrec<{ node: FdtNode }>((tie) => ({
  node: record({
    properties: dictionary(name, bytes, { maxKeys: 4 }),
    children: oneof({ maxDepth: 3 }, constant({}), dictionary(name, tie('node'), { maxKeys: 3 })),
  }),
})).node;

/** The same tree with plain prototypes, as the reader makes it. */
const plain = ({ properties = {}, children = {} }: FdtNode): Read => ({
  properties: { ...(properties as Record<string, Uint8Array>) },
  children: Object.fromEntries(Object.entries(children).map(([child, content]) => [child, plain(content)])),
});

test('any tree reads back as it was written', () => {
  assert(
    property(tree, (root) => {
      expect(readFdt(writeFdt(root))).toEqual(plain(root));
    }),
  );
});

test('values are encoded as the specification has them', () => {
  const { properties } = readFdt(
    writeFdt({
      properties: { none: true, cell: 0x80000001, wide: 0x1_0000_0002n, list: [1, 2], one: 'a', two: ['b', 'c'] },
    }),
  );
  expect(properties.none).toHaveLength(0);
  expect(cells(properties.cell)).toEqual([0x80000001]);
  expect(cells(properties.wide)).toEqual([1, 2]);
  expect(cells(properties.list)).toEqual([1, 2]);
  expect(strings(properties.one)).toEqual(['a']);
  expect(strings(properties.two)).toEqual(['b', 'c']);
});

test('the board describes itself as QEMU virt does', () => {
  const root = readFdt(
    buildDeviceTree({
      ramBytes: 256 * 2 ** 20,
      harts: 2,
      bootargs: 'console=ttyS0 region=64',
      rngSeed: Uint8Array.of(1, 2, 3),
      initrd: { from: 0x88200000, size: 0x1000 },
      virtioDevices: 1,
    }),
  );
  const chosen = root.children.chosen!.properties;
  expect(strings(chosen.bootargs)).toEqual(['console=ttyS0 region=64']);
  expect(cells(chosen['linux,initrd-start'])).toEqual([0, 0x88200000]);
  expect(cells(chosen['linux,initrd-end'])).toEqual([0, 0x88201000]);
  expect(chosen['rng-seed']).toEqual(Uint8Array.of(1, 2, 3));
  expect(strings(chosen['stdout-path'])).toEqual(['/soc/serial@10000000']);
  expect(cells(root.children['memory@80000000']!.properties.reg)).toEqual([0, 0x80000000, 0, 256 * 2 ** 20]);

  const { cpus, soc, poweroff, reboot } = root.children;
  expect(cells(cpus!.properties['timebase-frequency'])).toEqual([10_000_000]);
  expect(Object.keys(cpus!.children)).toEqual(['cpu@0', 'cpu@1']);
  expect(strings(cpus!.children['cpu@1']!.properties['mmu-type'])).toEqual(['riscv,sv48']);
  const controller = (hart: number) =>
    cells(cpus!.children[`cpu@${hart}`]!.children['interrupt-controller']!.properties.phandle)[0];

  const plic = soc!.children['plic@c000000']!.properties;
  const serial = soc!.children['serial@10000000']!.properties;
  const [first, second] = [controller(0), controller(1)];
  expect(first).not.toBe(second);
  expect(cells(serial['interrupt-parent'])).toEqual(cells(plic.phandle));
  expect(cells(serial.interrupts)).toEqual([10]);
  expect(cells(plic['interrupts-extended'])).toEqual([first, 11, first, 9, second, 11, second, 9]);
  expect(cells(soc!.children['clint@2000000']!.properties['interrupts-extended'])).toEqual([
    first,
    3,
    first,
    7,
    second,
    3,
    second,
    7,
  ]);
  const finisher = soc!.children['test@100000']!.properties;
  expect(strings(finisher.compatible)).toEqual(['sifive,test1', 'sifive,test0', 'syscon']);
  expect(cells(poweroff!.properties.regmap)).toEqual(cells(finisher.phandle));
  expect(cells(poweroff!.properties.value)).toEqual([0x5555]);
  expect(cells(reboot!.properties.value)).toEqual([0x7777]);
});
