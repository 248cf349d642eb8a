/** What is said before a connection is encrypted, and what is not; "encrypted" is another connection in memory. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { NbdClient } from './client.js';
import { NbdConnectionError } from './errors.js';
import { connection, MemoryDisk } from './nbd.fixture.js';
import { HANDSHAKE_FIXED_NEWSTYLE, OPTION } from './protocol.js';
import { NbdServerSession } from './server.js';
import type { Encrypt, NbdStream } from './stream.js';
import { option, u32 } from './wire.js';

interface Ends {
  readonly client: NbdStream;
  readonly server: NbdStream;
}
const pair = (): Ends => {
  const [client, server] = connection();
  return { client, server };
};
const is = (stream: NbdStream): Encrypt => vi.fn<Encrypt>(async () => stream);

/** A server on a bare connection; `encrypt`: null: it knows no TLS. What it hears in the clear is noted. */
function serve(encrypt: Encrypt | null) {
  const bare = pair();
  const heard: string[] = [];
  const client: NbdStream = {
    ...bare.client,
    write: (...parts) => {
      heard.push(parts.map((part) => Buffer.from(part).toString('latin1')).join(''));
      return bare.client.write(...parts);
    },
  };
  const disk = new MemoryDisk('a secret name');
  const exports = { find: (name: string) => (name === disk.name ? disk : undefined), list: () => [disk] };
  const session = new NbdServerSession(bare.server, exports, vi.fn<(error: unknown) => void>(), encrypt);
  const ended = session.run().then(
    () => 'left',
    (error: Error) => error.message,
  );
  onTestFinished(() => bare.client.close());
  return { client, heard, ended, disk };
}

test('nothing but the wish for TLS is said in the clear, and all that follows is encrypted', async () => {
  const secure = pair();
  const { client: stream, heard, ended, disk } = serve(is(secure.server));
  const client = await NbdClient.open(stream, disk.name, is(secure.client));
  await client.write(512, new Uint8Array(512).fill(7));
  await client.disconnect();
  expect(disk.bytes[512]).toBe(7);
  expect(await ended).toBe('left');
  expect(heard).toEqual([
    expect.any(String),
    Buffer.from(option(OPTION.startTls, new Uint8Array(0))).toString('latin1'),
  ]);
});

test('a server that wants TLS tells a client without it nothing, by whichever option it asks', async () => {
  const { client, disk } = serve(is(pair().server));
  await expect(NbdClient.open(client, disk.name)).rejects.toThrow('this server wants TLS first');

  const old = serve(is(pair().server));
  const named = option(OPTION.exportName, new TextEncoder().encode(old.disk.name));
  await old.client.write(u32(HANDSHAKE_FIXED_NEWSTYLE), named);
  expect(await old.ended).toBe('a client that does not encrypt');
});

test('a client that wants TLS gives up at a server that has none, and names no export', async () => {
  const { client, heard, disk } = serve(null);
  await expect(NbdClient.open(client, disk.name, is(pair().client))).rejects.toThrow('does not encrypt: TLS is not');
  expect(heard.join('')).not.toContain(disk.name);
});

test('what somebody has put behind STARTTLS in the clear is not taken for encrypted', async () => {
  const encrypt = is(pair().server);
  const { client, ended } = serve(encrypt);
  const both = Buffer.concat([
    ...[
      u32(HANDSHAKE_FIXED_NEWSTYLE),
      option(OPTION.startTls, new Uint8Array(0)),
      option(OPTION.list, new Uint8Array(0)),
    ],
  ]);
  await client.write(both);
  expect(await ended).toContain('must be encrypted');
  expect(encrypt).not.toHaveBeenCalled();
});

test('a handshake that fails ends the connection with its reason', async () => {
  const fails: Encrypt = () => Promise.reject(new Error('TLS: a certificate of somebody else'));
  const { client, disk } = serve(is(pair().server));
  const opening = NbdClient.open(client, disk.name, fails);
  await expect(opening).rejects.toThrow('somebody else');
  await expect(opening).rejects.toBeInstanceOf(NbdConnectionError);
});
