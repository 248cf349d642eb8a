import { assert, constantFrom, integer, property, uniqueArray, uint8Array, record, array } from 'fast-check';
import { expect, test } from 'vitest';
import { writeCpio, type CpioEntry } from './cpio.js';

interface Read {
  readonly mode: number;
  readonly inode: number;
  readonly content: Buffer;
  readonly device: readonly number[];
}

/** Reads an archive as the kernel does: by the sizes in the headers, to the trailer. */
function readCpio(archive: Uint8Array): Map<string, Read> {
  const bytes = Buffer.from(archive);
  const members = new Map<string, Read>();
  for (let at = 0; ;) {
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const field = (index: number) => parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect([field(2), field(3), field(5)]).toEqual([0, 0, 0]); // root, root, no time
    const [size, nameSize] = [field(6), field(11)];
    const name = bytes.toString('utf8', at + 110, at + 110 + nameSize - 1);
    expect(bytes[at + 110 + nameSize - 1]).toBe(0);
    const from = (at + 110 + nameSize + 3) & ~3;
    if (name === 'TRAILER!!!') {
      expect(bytes.length).toBe(from);
      return members;
    }
    expect(members.has(name)).toBe(false);
    const content = bytes.subarray(from, from + size);
    members.set(name, { inode: field(0), mode: field(1), content, device: [field(9), field(10)] });
    at = (from + size + 3) & ~3;
  }
}

test('each kind of entry has its mode, and folders come before what is in them', () => {
  const members = readCpio(
    writeCpio([
      { kind: 'file', path: 'sbin/shutdown', content: Buffer.from('#!'), executable: true },
      { kind: 'file', path: 'etc/passwd', content: Buffer.from('root'), executable: false },
      { kind: 'link', path: 'bin/sh', target: 'busybox' },
      { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
      { kind: 'folder', path: 'proc' },
    ]),
  );
  expect([...members].map(([name, { mode }]) => `${name} ${mode.toString(8)}`)).toEqual([
    'bin 40755',
    'bin/sh 120777',
    'dev 40755',
    'dev/console 20600',
    'etc 40755',
    'etc/passwd 100644',
    'proc 40755',
    'sbin 40755',
    'sbin/shutdown 100755',
  ]);
  expect(members.get('bin/sh')!.content.toString()).toBe('busybox');
  expect(members.get('dev/console')!.device).toEqual([5, 1]);
});

const name = array(constantFrom('a', 'b', 'c', 'd.so.1', 'é'), { minLength: 1, maxLength: 4 }).map((parts) =>
  parts.join(''),
);
const file = record({ name, depth: integer({ min: 0, max: 3 }), content: uint8Array({ maxLength: 40 }) });

test('what is written is read back, the same whatever the order', () => {
  assert(
    property(uniqueArray(file, { selector: (one) => one.name }), (files) => {
      const entries = files.map(({ name: last, depth, content }): CpioEntry => {
        return { kind: 'file', path: `${'x/'.repeat(depth)}f-${last}`, content, executable: false };
      });
      const archive = writeCpio(entries);
      expect(Buffer.from(writeCpio(entries.toReversed())).equals(archive)).toBe(true);
      const members = readCpio(archive);
      for (const entry of entries) {
        if (entry.kind === 'file') expect(members.get(entry.path)!.content.equals(entry.content)).toBe(true);
      }
      const inodes = [...members.values()].map(({ inode }) => inode);
      expect(new Set(inodes).size).toBe(inodes.length);
    }),
  );
});

test('a path that is given twice is refused', () => {
  const twice: CpioEntry = { kind: 'folder', path: 'proc' };
  expect(() => writeCpio([twice, twice])).toThrow(/proc is given twice/);
});
