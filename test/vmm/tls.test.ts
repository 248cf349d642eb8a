/** Who gets in at a door that asks for certificates. */
import { once } from 'node:events';
import { connect as connectPlainly, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { encrypt, lock } from '../../apps/vmm/migration-tls.js';
import { createAuthority, type Authority } from '../../apps/controller/certificates/x509.js';
import { credentialsOf } from '../certificates.js';

const EVENTUALLY = { timeout: 90_000 };
const NEVER = new AbortController().signal;

async function endOf(authority: Authority, endpoint: 'client' | 'server') {
  return { endpoint, verifyPeer: true, ...(await credentialsOf(authority, `host-${endpoint}`)) };
}

async function openDoor(authority: Authority) {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const door = lock(server, await endOf(authority, 'server'));
  const entered: Socket[] = [];
  const refused: string[] = [];
  door.on('connection', (socket) => entered.push(socket));
  door.on('refused', ({ message }) => refused.push(message));
  onTestFinished(() => {
    for (const socket of entered) socket.destroy();
    door.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, entered, refused, call: () => connectPlainly(port, '127.0.0.1') };
}

test('one with a certificate of the authority gets in, and both can talk', async () => {
  const authority = await createAuthority(new Date());
  const { call, entered } = await openDoor(authority);
  const caller = await encrypt(call(), await endOf(authority, 'client'), 'host-server', NEVER);
  await vi.waitFor(() => expect(entered).toHaveLength(1), EVENTUALLY);
  caller.write('there');
  expect(String((await once(entered[0]!, 'data'))[0])).toBe('there');
  entered[0]!.write('and back');
  expect(String((await once(caller, 'data'))[0])).toBe('and back');
  caller.destroy();
});

test('whoever shows none, one of another authority, or speaks no TLS stays outside', async () => {
  const [authority, another] = await Promise.all([createAuthority(new Date()), createAuthority(new Date())]);
  const { port, call, entered, refused } = await openDoor(authority);
  const foreign = nodeNames(await endOf(another, 'client'));
  const strangers = [
    connect({ port, rejectUnauthorized: false }),
    connect({ port, rejectUnauthorized: false, ...foreign }),
    call().end('DROVER__ hello, this is a migration\n'),
  ];
  for (const stranger of strangers) stranger.on('error', () => undefined).resume();
  await vi.waitFor(() => expect(refused).toHaveLength(strangers.length), EVENTUALLY);
  expect(entered).toEqual([]);
  expect(refused.every((message) => message.startsWith('TLS: '))).toBe(true);
});

test('a caller wants the host that was named, with a certificate of the authority, and does not wait for ever', async () => {
  const [authority, another] = await Promise.all([createAuthority(new Date()), createAuthority(new Date())]);
  const { call } = await openDoor(authority);
  const [client, foreigner] = await Promise.all([endOf(authority, 'client'), endOf(another, 'client')]);
  await expect(encrypt(call(), client, 'host-other', NEVER)).rejects.toThrow(/TLS: .*host-other/);
  await expect(encrypt(call(), foreigner, 'host-server', NEVER)).rejects.toThrow(/TLS: .*certificate/);

  const silent = createServer((socket) => void socket.resume());
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void silent.close());
  const cancelled = new AbortController();
  const socket = connectPlainly((silent.address() as AddressInfo).port, '127.0.0.1');
  const waiting = encrypt(socket, client, 'host-server', cancelled.signal);
  cancelled.abort(new Error('cancelled by request'));
  await expect(waiting).rejects.toThrow('cancelled by request');
  expect(socket.destroyed).toBe(true);
});

const nodeNames = ({ certificate, privateKey }: { certificate: string; privateKey: string }) => ({
  cert: certificate,
  key: privateKey,
});
