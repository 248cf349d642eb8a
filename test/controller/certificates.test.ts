import 'reflect-metadata'; // for @peculiar/x509
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { expect, test } from 'vitest';
import { HostCredentials } from '../../apps/agent/certificates/host-credentials.js';
import { certifyHost, createAuthority, HOST_DAYS } from '../../apps/controller/certificates/x509.js';

const HOST_ID = '00000000-0000-4000-8000-000000000003';
const NOW = new Date('2026-11-21T12:00:00Z');
const daysLater = (days: number) => new Date(NOW.getTime() + days * 86_400_000);

const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const newKeys = () => webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
async function requestFor(name: string): Promise<string> {
  const keys = await newKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: { ...KEY, hash: 'SHA-256' },
  });
  return request.toString('pem');
}

test('a host is certified under its id, whatever it asks to be called', async () => {
  const authority = await createAuthority(NOW);
  const ca = new X509Certificate(authority.certificate);
  const host = new X509Certificate(await certifyHost(authority, await requestFor('CN=another'), HOST_ID, NOW));
  expect(ca).toMatchObject({ ca: true, subject: 'CN=Drover' });
  expect(host).toMatchObject({ ca: false, subject: `CN=${HOST_ID}`, subjectAltName: `DNS:${HOST_ID}` });
  expect(host.checkIssued(ca)).toBe(true);
  expect(host.verify(ca.publicKey)).toBe(true);
  expect(host.checkHost(HOST_ID)).toBe(HOST_ID);
  expect(host.checkHost('another')).toBeUndefined();
  expect(host.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(new Date(host.validTo)).toEqual(daysLater(HOST_DAYS));
  expect(new Date(host.validFrom).getTime()).toBeLessThan(NOW.getTime());
});

test('what is no request, or is signed with another key, is refused', async () => {
  const authority = await createAuthority(NOW);
  await expect(certifyHost(authority, 'nonsense', HOST_ID, NOW)).rejects.toThrow('no PKCS #10 request');
  const request = await requestFor('CN=x');
  const bytes = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
  bytes[bytes.length - 1]! ^= 1; // the last byte of the signature
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await expect(certifyHost(authority, forged, HOST_ID, NOW)).rejects.toThrow('not signed with the key');
});

test('a host keeps its certificate, and asks for the next while it still holds', async () => {
  const authority = await createAuthority(NOW);
  const dir = mkdtempSync(join(tmpdir(), 'drover-credentials-'));
  const credentials = HostCredentials.open(dir);
  expect(credentials.isDue(NOW)).toBe(true);
  expect(() => credentials.need()).toThrow('no certificate yet');

  await credentials.renew(async (request) => ({
    certificate: await certifyHost(authority, request, HOST_ID, NOW),
    authority: authority.certificate,
  }));
  const { certificate, privateKey } = HostCredentials.open(dir).need();
  expect(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))).toBe(true);
  expect([0, HOST_DAYS - 31, HOST_DAYS - 29].map((days) => credentials.isDue(daysLater(days)))).toEqual([
    false,
    false,
    true,
  ]);
  expect(statSync(join(dir, 'credentials.json')).mode & 0o777).toBe(0o600);

  const away = () => Promise.reject(new Error('away'));
  await expect(credentials.renew(away)).rejects.toThrow('away');
  expect(JSON.parse(readFileSync(join(dir, 'credentials.json'), 'utf8'))).toMatchObject({ certificate });
});
