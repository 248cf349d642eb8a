/** The controller's port with a certificate of its own, which is renewed while it runs. */
import 'reflect-metadata'; // for @peculiar/x509
import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Authority, certifyHost, createAuthority } from '../../apps/controller/certificates/x509.js';
import { readTls, tlsFilesOf } from '../../apps/controller/http/tls.js';
import type { Server } from '../../apps/controller/server.js';
import { startTestPostgres, type TestPostgres } from '../postgres.js';
import { startController } from './api.js';

const NAME = 'controller.test';
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

let dir: string;
let authority: Authority;
let files: { readonly certificate: string; readonly key: string };

/** Writes a new pair of files. */
async function renew(now = new Date()): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const asked = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=x', keys, signingAlgorithm: KEY });
  writeFileSync(files.certificate, await certifyHost(authority, asked.toString('pem'), NAME, now));
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  writeFileSync(files.key, `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`);
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'drover-tls-'));
  files = { certificate: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  authority = await createAuthority(new Date());
  await renew();
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('files', () => {
  test('both or none', () => {
    expect(tlsFilesOf(undefined, '')).toBeUndefined();
    expect(() => tlsFilesOf('a', undefined)).toThrow(/^DROVER_TLS_CERT_FILE is set and DROVER_TLS_KEY_FILE is not; /);
    expect(() => tlsFilesOf(undefined, 'a')).toThrow(/^DROVER_TLS_KEY_FILE is set and DROVER_TLS_CERT_FILE is not; /);
  });

  test('that cannot be used are refused by name, with the remedy', async () => {
    const read = (more: Partial<typeof files>, now = new Date()) => readTls({ ...files, ...more }, now);
    expect(read({}).cert).toContain('BEGIN CERTIFICATE');
    const other = join(dir, 'other.pem');
    writeFileSync(other, 'nonsense');
    expect(() => read({ certificate: other })).toThrow(/^DROVER_TLS_CERT_FILE .* does not hold a certificate in PEM; /);
    expect(() => read({ key: other })).toThrow(/^DROVER_TLS_KEY_FILE .* does not hold a private key in PEM; /);
    expect(() => read({ key: join(dir, 'none') })).toThrow(/^DROVER_TLS_KEY_FILE .* cannot be read \(ENOENT\); /);
    writeFileSync(other, read({}).key);
    await renew();
    expect(() => read({ key: other })).toThrow(/^DROVER_TLS_KEY_FILE .* is not the key of the certificate in /);
    expect(() => read({}, new Date(Date.now() + 400 * 86_400_000))).toThrow(/^DROVER_TLS_CERT_FILE .* has expired at /);
  });
});

describe('a controller', () => {
  let postgres: TestPostgres;
  let server: Server;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    server = await startController(postgres.url, undefined, { tls: files });
  });
  afterAll(async () => {
    await server?.close();
    await postgres?.stop();
  });

  /** Status of the API, and the serial number of the certificate that it showed. */
  const look = () =>
    new Promise<{ status: number | undefined; serial: string }>((done, failed) => {
      const options = { ca: authority.certificate, servername: NAME, agent: false };
      request(`${server.url}/api/v1/health`, options, (response) => {
        const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
        response.resume().once('end', () => done({ status: response.statusCode, serial: serialNumber }));
      })
        .once('error', failed)
        .end();
    });

  test('answers over TLS alone, and shows a renewed certificate without a restart', async () => {
    expect(server.url).toMatch(/^https:/);
    const first = await look();
    expect(first.status).toBe(200);
    await expect(fetch(server.url.replace('https', 'http'))).rejects.toThrow('fetch failed');
    await renew();
    expect((await look()).serial).toBe(first.serial);
    server.reloadCertificate();
    const second = await look();
    expect(second.serial).not.toBe(first.serial);
    writeFileSync(files.key, 'nonsense');
    expect(() => server.reloadCertificate()).toThrow(/DROVER_TLS_KEY_FILE/);
    expect(await look()).toEqual({ status: 200, serial: second.serial });
  });
});
