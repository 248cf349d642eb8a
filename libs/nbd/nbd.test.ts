/** Client and server of NBD on streams in memory; what each does with a peer that breaks the rules. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { NbdClient } from './client.js';
import { NbdConnectionError, NbdError } from './errors.js';
import type { NbdExport } from './export.js';
import {
  COMMAND,
  COMMAND_FLAG,
  GREETING_MAGIC,
  INFO,
  OPTION,
  OPTION_ERROR,
  OPTION_MAGIC,
  OPTION_REPLY,
} from './protocol.js';
import { NbdServerSession } from './server.js';
import { BLOCK, connection, MemoryDisk, SIZE } from './nbd.fixture.js';
import { ByteReader } from './stream.js';
import { counted, encodeRequest, joined, option, text, u16, u32, u64, viewOf } from './wire.js';

/** Serves the disks to one client; what the client's end is. */
function serve(disks: readonly NbdExport[], pieceBytes?: number) {
  const [client, server] = connection(pieceBytes);
  const exports = { find: (name: string) => disks.find((disk) => disk.name === name), list: () => disks };
  const bugs = vi.fn<(error: unknown) => void>();
  const session = new NbdServerSession(server, exports, bugs);
  const ended = session.run().then(
    () => 'left',
    (error: Error) => (error instanceof NbdConnectionError ? error.message : Promise.reject(error)),
  );
  onTestFinished(() => client.close());
  return { stream: client, session, ended, bugs };
}

async function open(disk: NbdExport, pieceBytes?: number) {
  const served = serve([disk], pieceBytes);
  return { ...served, client: await NbdClient.open(served.stream, disk.name) };
}

const range = fc
  .tuple(fc.nat({ max: SIZE - 1 }), fc.integer({ min: 1, max: 9000 }))
  .map(([offset, size]) => ({ offset, size: Math.min(size, SIZE - offset) }));
const operation = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), range, byte: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constantFrom('zeroes' as const, 'unmap' as const, 'trim' as const, 'read' as const), range }),
);

test('what is written through a client is what a plain array would hold, in whatever pieces it travels', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 12 }),
      fc.constantFrom(1, 7, 4096, Infinity),
      async (list, piece) => {
        const disk = new MemoryDisk();
        const { client, ended } = await open(disk, piece);
        const model = new Uint8Array(SIZE);
        for (const each of list) {
          const { offset, size } = each.range;
          const here = model.subarray(offset, offset + size);
          if (each.kind === 'write') await client.write(offset, here.fill(each.byte));
          else if (each.kind === 'read') {
            const read = new Uint8Array(size);
            await client.read(offset, read);
            expect(Buffer.compare(read, here)).toBe(0);
          } else {
            here.fill(0);
            if (each.kind === 'trim') await client.trim(offset, size);
            else await client.writeZeroes(offset, size, each.kind === 'unmap');
          }
        }
        expect(Buffer.compare(disk.bytes, model)).toBe(0);
        const extents = await client.extents(0, SIZE);
        expect(extents.map(({ isHole }) => isHole)).toEqual((await disk.extents(0, SIZE)).map(({ isHole }) => isHole));
        await client.disconnect();
        expect(await ended).toBe('left');
      },
    ),
    { numRuns: 25 },
  );
});

test('many requests are under way at once, and a flush reaches the disk', async () => {
  const disk = new MemoryDisk();
  const { client } = await open(disk);
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => client.write(index * BLOCK, new Uint8Array(BLOCK).fill(index))),
  );
  await client.flush();
  expect(disk.flushes).toBe(1);
  const read = new Uint8Array(100 * BLOCK);
  await client.read(0, read);
  expect([...read].every((byte, at) => byte === Math.floor(at / BLOCK))).toBe(true);
});

describe('errors', () => {
  test('of the disk are told by name, and the connection goes on', async () => {
    const disk = new MemoryDisk();
    const { client, bugs } = await open(disk);
    disk.failWith = new NbdError('ENOSPC', 'the host is full');
    await expect(client.write(0, new Uint8Array(1))).rejects.toMatchObject({ errno: 'ENOSPC' });
    await expect(client.read(0, new Uint8Array(1))).rejects.toThrow('ENOSPC: the host is full');
    expect(bugs).not.toHaveBeenCalled();
    disk.failWith = new TypeError('a bug');
    await expect(client.read(0, new Uint8Array(1))).rejects.toMatchObject({ errno: 'EIO' });
    expect(bugs).toHaveBeenCalledWith(disk.failWith);
    disk.failWith = undefined;
    await client.read(0, new Uint8Array(1));
  });

  test.each([
    ['a read behind the end', (client: NbdClient) => client.read(SIZE - 1, new Uint8Array(2)), 'EINVAL'],
    ['a write behind the end', (client: NbdClient) => client.write(SIZE, new Uint8Array(1)), 'ENOSPC'],
    ['zeroes behind the end', (client: NbdClient) => client.writeZeroes(SIZE - 1, 2, true), 'ENOSPC'],
    ['a trim behind the end', (client: NbdClient) => client.trim(SIZE - 1, 2), 'EINVAL'],
  ])('%s', async (_, act, errno) => {
    const { client } = await open(new MemoryDisk());
    await expect(act(client)).rejects.toMatchObject({ errno });
  });

  test('a read-only export is not written', async () => {
    const disk = new MemoryDisk();
    disk.isReadOnly = true;
    const { client } = await open(disk);
    expect(client.disk).toMatchObject({ isReadOnly: true, canWriteZeroes: false });
    await expect(client.write(0, new Uint8Array(1))).rejects.toMatchObject({ errno: 'EPERM' });
  });

  test('an export that there is not, and a connection that is lost', async () => {
    await expect(NbdClient.open(serve([new MemoryDisk()]).stream, 'other')).rejects.toThrow('there is no such export');
    const disk = new MemoryDisk();
    disk.read = () => new Promise(() => undefined);
    const { client, stream } = await open(disk);
    const read = client.read(0, new Uint8Array(1));
    stream.close();
    await expect(read).rejects.toThrow(NbdConnectionError);
    await expect(client.flush()).rejects.toThrow(NbdConnectionError);
  });
});

describe('the end of a session by the server', () => {
  test('waits for what is under way, and takes nothing new', async () => {
    const disk = new MemoryDisk();
    let finish: (() => void) | undefined;
    const write = disk.write.bind(disk);
    disk.write = async (offset, bytes) => {
      await new Promise<void>((resolve) => (finish = resolve));
      await write(offset, bytes);
    };
    const { client, session } = await open(disk);
    const written = client.write(0, Uint8Array.of(1));
    await vi.waitFor(() => expect(finish).toBeDefined());
    const ended = session.end();
    finish!();
    await ended;
    await written;
    expect(disk.bytes[0]).toBe(1);
    await expect(client.write(0, Uint8Array.of(2))).rejects.toThrow(NbdConnectionError);
    expect(disk.bytes[0]).toBe(1);
  });
});

test('a client whose export has been taken away begins nothing any more', async () => {
  const disk = new MemoryDisk();
  const disks: NbdExport[] = [disk];
  const { stream, ended } = serve(disks);
  const client = await NbdClient.open(stream, 'disk');
  await client.write(0, Uint8Array.of(1));
  disks.pop();
  await expect(client.write(0, Uint8Array.of(2))).rejects.toThrow(NbdConnectionError);
  expect([await ended, disk.bytes[0]]).toEqual(['left', 1]);
});

describe('a client by hand', () => {
  async function greeted(disks: readonly NbdExport[] = [new MemoryDisk()]) {
    const served = serve(disks);
    const reader = new ByteReader(served.stream.input);
    const greeting = viewOf(await reader.take(18));
    expect([greeting.getBigUint64(0), greeting.getBigUint64(8)]).toEqual([GREETING_MAGIC, OPTION_MAGIC]);
    const reply = async () => {
      const header = viewOf(await reader.take(20));
      return { type: header.getUint32(12), data: (await reader.take(header.getUint32(16))).slice() };
    };
    const ask = async (number: number, data: Uint8Array = new Uint8Array(0)) => {
      await served.stream.write(option(number, data));
      return await reply();
    };
    await served.stream.write(u32(3));
    return { ...served, reader, reply, ask };
  }

  test('LIST tells the names that may be told', async () => {
    const secret = Object.assign(new MemoryDisk('secret'), { isListed: false });
    const { ask, reply } = await greeted([new MemoryDisk('a'), secret]);
    const listed = await ask(OPTION.list);
    expect([listed.type, text(listed.data.subarray(4))]).toEqual([OPTION_REPLY.server, 'a']);
    expect((await reply()).type).toBe(OPTION_REPLY.ack);
  });

  test('options that are malformed, unknown or too long are refused, and the next is served', async () => {
    const { ask, ended } = await greeted();
    expect((await ask(99)).type).toBe(OPTION_ERROR.unsupported);
    expect((await ask(OPTION.go, u32(4_000_000_000))).type).toBe(OPTION_ERROR.invalid);
    expect((await ask(OPTION.list, new Uint8Array(100_000))).type).toBe(OPTION_ERROR.tooBig);
    expect((await ask(OPTION.setMetaContext, joined(counted('disk'), u32(0)))).type).toBe(OPTION_ERROR.invalid);
    expect((await ask(OPTION.info, joined(counted('none'), u16(0)))).type).toBe(OPTION_ERROR.unknown);
    expect((await ask(OPTION.abort)).type).toBe(OPTION_REPLY.ack);
    expect(await ended).toBe('left');
  });

  test('EXPORT_NAME, and simple replies without structured ones', async () => {
    const disk = new MemoryDisk();
    disk.bytes.fill(7);
    const { stream, reader } = await greeted([disk]);
    await stream.write(option(OPTION.exportName, new TextEncoder().encode('disk')));
    expect(viewOf(await reader.take(10)).getBigUint64(0)).toBe(BigInt(SIZE));
    await stream.write(encodeRequest({ flags: 0, command: COMMAND.read, cookie: 5n, offset: 1, length: 3 }));
    const reply = viewOf(await reader.take(16));
    expect([reply.getUint32(4), reply.getBigUint64(8)]).toEqual([0, 5n]);
    expect([...(await reader.take(3))]).toEqual([7, 7, 7]);
  });

  test.each([
    ['a flag that the command cannot have', { command: COMMAND.write, flags: COMMAND_FLAG.df, length: 1 }, 22],
    ['an unknown command', { command: 77, flags: 0, length: 1 }, 22],
    ['BLOCK_STATUS without a context', { command: COMMAND.blockStatus, flags: 0, length: 1 }, 22],
    ['a write with FUA', { command: COMMAND.write, flags: COMMAND_FLAG.fua, length: 1 }, 0],
  ])('%s', async (_, request, errno) => {
    const disk = new MemoryDisk();
    const { stream, reader } = await greeted([disk]);
    await stream.write(option(OPTION.exportName, new TextEncoder().encode('disk')));
    await reader.take(10);
    const payload = new Uint8Array(request.command === COMMAND.write ? 1 : 0);
    await stream.write(encodeRequest({ cookie: 1n, offset: 0, ...request }), payload);
    expect(viewOf(await reader.take(16)).getUint32(4)).toBe(errno);
    expect(disk.flushes).toBe(errno === 0 ? 1 : 0);
  });

  test('a write that is larger than any may be ends the connection', async () => {
    const { stream, reader, ended } = await greeted();
    await stream.write(option(OPTION.exportName, new TextEncoder().encode('disk')));
    await reader.take(10);
    await stream.write(encodeRequest({ flags: 0, command: COMMAND.write, cookie: 1n, offset: 0, length: 2 ** 31 }));
    expect(await ended).toContain('at most 33554432 are taken');
  });
});

describe('garbage', () => {
  /** What comes close to NBD: its magic numbers, options and requests among random bytes. */
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.constantFrom(u32(3), u32(1), u64(OPTION_MAGIC), option(OPTION.structuredReply, new Uint8Array(0))),
    fc.tuple(fc.nat({ max: 12 }), fc.uint8Array({ maxLength: 40 })).map(([number, data]) => option(number, data)),
    fc.constant(option(OPTION.go, joined(counted('disk'), u16(1), u16(INFO.blockSize)))),
    fc
      .record({
        ...{ flags: fc.nat({ max: 40 }), command: fc.constantFrom(0, 1, 3, 4, 6, 7, 9), cookie: fc.constant(3n) },
        ...{ offset: fc.nat(2 * SIZE), length: fc.nat(5000) },
      })
      .map((request) => encodeRequest(request)),
  );

  test('does a server no harm: the session ends, and the next client is served', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const disk = new MemoryDisk();
        const { stream, ended, bugs } = serve([disk]);
        await stream.write(u32(3), ...pieces);
        await new Promise((resolve) => setImmediate(resolve));
        stream.close();
        await ended;
        expect(bugs).not.toHaveBeenCalled();
        const { client } = await open(disk);
        await client.read(0, new Uint8Array(1));
      }),
      { numRuns: 300 },
    );
  });

  test('does a client no harm: what it asked for is refused', async () => {
    const reply = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(u32(0x6744_6698), u32(0x668e_33ef)));
    await fc.assert(
      fc.asyncProperty(fc.array(reply, { maxLength: 6 }), fc.boolean(), async (replies, greets) => {
        const [client, server] = connection();
        await server.write(...(greets ? [u64(GREETING_MAGIC), u64(OPTION_MAGIC), u16(3)] : []), ...replies);
        setImmediate(() => server.close());
        await expect(NbdClient.open(client, 'disk')).rejects.toThrow(NbdConnectionError);
      }),
      { numRuns: 200 },
    );
  });
});
