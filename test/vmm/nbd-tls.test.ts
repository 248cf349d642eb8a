/** NBD over TLS between this VMM and programs that others have written; who gets in, and who does not. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TlsCredentials } from '#hypervisor';
import { NbdClient } from '#nbd';
import { fileExport } from '../../apps/vmm/block/file-export.js';
import { NbdNodes } from '../../apps/vmm/block/nbd-nodes.js';
import { NbdServer } from '../../apps/vmm/block/nbd-server.js';
import { socketStream } from '../../apps/vmm/block/nbd-socket.js';
import { type Authority, createAuthority } from '../../apps/controller/certificates/x509.js';
import { credentialsOf } from '../certificates.js';
import { isInstalled } from '../programs.js';
import { imageFile, openDisk } from './blk-driver.js';

const run = promisify(execFile);
const MIB = 2 ** 20;
/** What certificates name here, so that programs that connect to it find it there. */
const HOST = 'localhost';
const hasLibnbd = isInstalled('nbdinfo', 'NBD over TLS against libnbd');
const hasQemu = isInstalled('qemu-nbd', 'NBD over TLS against QEMU');

const endOf = (endpoint: 'client' | 'server', credentials: TlsCredentials) => ({
  ...{ endpoint, verifyPeer: true, ...credentials },
});

/** Serves a disk of random bytes to whoever has a certificate of the authority. */
async function serve(authority: Authority) {
  const path = imageFile(new Uint8Array(MIB).map((_, index) => index % 251));
  const server = new NbdServer(() => undefined);
  await server.start({ host: '127.0.0.1', port: 0 }, endOf('server', await credentialsOf(authority, HOST)));
  onTestFinished(() => server.stop());
  const { file } = await openDisk(path);
  server.add({ id: 'e0', drive: 'd0', disk: fileExport(file, { name: 'disk', isListed: true, isWritable: true }) });
  return { path, port: (server.address as { port: number }).port };
}

/** A folder as programs want it. */
function folderOf(endpoint: 'client' | 'server', { authority, certificate, privateKey }: TlsCredentials): string {
  const dir = mkdtempSync(join(tmpdir(), 'drover-pki-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'ca-cert.pem'), authority);
  writeFileSync(join(dir, `${endpoint}-cert.pem`), certificate);
  writeFileSync(join(dir, `${endpoint}-key.pem`), privateKey);
  return dir;
}

test('both ends show certificates of one authority, and the server is the host that was meant', async () => {
  const [authority, another] = await Promise.all([createAuthority(new Date()), createAuthority(new Date())]);
  const { path, port } = await serve(authority);
  const [own, foreign] = await Promise.all([credentialsOf(authority, 'host-a'), credentialsOf(another, 'host-a')]);
  const open = (credentials: TlsCredentials | null, hostname = HOST) => {
    const tls = credentials && { credentials: endOf('client', credentials), hostname };
    return new NbdNodes().open('node', { host: '127.0.0.1', port }, 'disk', tls);
  };
  const { client } = await open(own);
  const read = new Uint8Array(MIB);
  await client.read(0, read);
  expect(readFileSync(path).equals(read)).toBe(true);
  await client.disconnect();
  await expect(open(null)).rejects.toThrow('this server wants TLS first');
  await expect(open(own, 'host-b')).rejects.toThrow(/TLS: .*host-b/);
  await expect(open({ ...foreign, authority: own.authority })).rejects.toThrow(/closed|TLS|ECONNRESET|EPIPE/);
});

describe.runIf(hasLibnbd)('libnbd', () => {
  test('nbdcopy brings a disk and nbdinfo sees it; without a certificate it sees nothing', async () => {
    const authority = await createAuthority(new Date());
    const { path, port } = await serve(authority);
    const dir = folderOf('client', await credentialsOf(authority, 'host-a'));
    const uri = `nbds://${HOST}:${port}/disk?tls-certificates=${dir}`;
    const { stdout } = await run('nbdinfo', ['--json', uri]);
    expect(JSON.parse(stdout)).toMatchObject({ TLS: true, exports: [{ 'export-name': 'disk', 'export-size': MIB }] });
    const other = imageFile(new Uint8Array(MIB).fill(9));
    await run('nbdcopy', [other, uri]);
    expect(readFileSync(path).equals(readFileSync(other))).toBe(true);
    await expect(run('nbdinfo', [`nbd://127.0.0.1:${port}/disk`])).rejects.toThrow('not supported');
  });
});

describe.runIf(hasQemu)('QEMU', () => {
  test('qemu-img reads an export', async () => {
    const authority = await createAuthority(new Date());
    const { port } = await serve(authority);
    const dir = folderOf('client', await credentialsOf(authority, 'host-a'));
    const creds = `tls-creds-x509,id=tls0,endpoint=client,dir=${dir}`;
    const image = `driver=nbd,server.type=inet,server.host=127.0.0.1,server.port=${port},export=disk`;
    const info = (more: string) => run('qemu-img', ['info', '--object', creds, '--image-opts', `${image}${more}`]);
    expect((await info(`,tls-creds=tls0,tls-hostname=${HOST}`)).stdout).toContain(`${MIB} bytes`);
    await expect(info('')).rejects.toThrow('TLS');
  });

  test('qemu-nbd serves the client here', async () => {
    const authority = await createAuthority(new Date());
    const dir = folderOf('server', await credentialsOf(authority, HOST));
    const path = imageFile(new Uint8Array(MIB).fill(5));
    const socket = `${path}.socket`;
    const creds = [
      '--object',
      `tls-creds-x509,id=tls0,endpoint=server,dir=${dir},verify-peer=on`,
      '--tls-creds',
      'tls0',
    ];
    const child = spawn('qemu-nbd', ['-f', 'raw', '-x', 'disk', '-k', socket, '-t', ...creds, path]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const credentials = endOf('client', await credentialsOf(authority, 'host-a'));
    const { client } = await vi.waitFor(
      () => new NbdNodes().open('node', { path: socket }, 'disk', { credentials, hostname: HOST }),
      { timeout: 90_000 },
    );
    const read = new Uint8Array(MIB);
    await client.read(0, read);
    expect(read.every((byte) => byte === 5)).toBe(true);
    await client.disconnect();
    await expect(NbdClient.open(socketStream(connect({ path: socket })), 'disk')).rejects.toThrow('TLS');
  });
});
