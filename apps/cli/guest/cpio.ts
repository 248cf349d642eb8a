/**
 * Writes cpio archives in the "newc" format that Linux unpacks as its initial file system (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst). The same entries give the same bytes: owner root, no
 * times, inode numbers in order.
 */
export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number };

const FOLDER = 0o040755;
const FILE = 0o100644;
const EXECUTABLE = 0o100755;
const LINK = 0o120777;
const CHARACTER_DEVICE = 0o020600;
const TRAILER = 'TRAILER!!!';

/** The archive, with the entries sorted by path and the folders above them added. Throws an Error for a path given twice. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = withFolders(entries).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const twice = all.find(({ path }, index) => path === all[index - 1]?.path);
  if (twice) throw new Error(`cpio: ${twice.path} is given twice`);
  const parts = all.flatMap((entry, index) => member(entry, index + 1));
  return Buffer.concat([...parts, ...record({ name: TRAILER, inode: 0, mode: 0 })]);
}

/** A folder must come before what is in it, and sorting by path sees to that. */
function withFolders(entries: readonly CpioEntry[]): CpioEntry[] {
  const given = new Set(entries.map(({ path }) => path));
  const parents = entries.flatMap(({ path }) => {
    const names = path.split('/').slice(0, -1);
    return names.map((_, depth) => names.slice(0, depth + 1).join('/'));
  });
  const missing = [...new Set(parents)].filter((path) => !given.has(path));
  return [...entries, ...missing.map((path): CpioEntry => ({ kind: 'folder', path }))];
}

function member(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = entry.path;
  switch (entry.kind) {
    case 'folder':
      return record({ name, inode, mode: FOLDER });
    case 'file':
      return record({ name, inode, mode: entry.executable ? EXECUTABLE : FILE, content: entry.content });
    case 'link':
      return record({ name, inode, mode: LINK, content: Buffer.from(entry.target) });
    case 'device':
      return record({ name, inode, mode: CHARACTER_DEVICE, device: [entry.major, entry.minor] });
  }
}

interface Fields {
  readonly name: string;
  readonly inode: number;
  readonly mode: number;
  readonly content?: Uint8Array;
  readonly device?: readonly [major: number, minor: number];
}

/** Header, name and content, each padded to four bytes. */
function record({ name, inode, mode, content = new Uint8Array(), device = [0, 0] }: Fields): Uint8Array[] {
  const nameBytes = Buffer.from(`${name}\0`);
  const owner = [0, 0];
  const links = 1;
  const time = 0;
  const heldBy = [0, 0];
  const checksum = 0; // of another format
  const fields = [inode, mode, ...owner, links, time, content.length, ...heldBy, ...device, nameBytes.length, checksum];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  const head = Buffer.concat([Buffer.from(header), nameBytes]);
  return [head, padding(head.length), content, padding(content.length)];
}

const padding = (length: number): Uint8Array => new Uint8Array(-length & 3);
