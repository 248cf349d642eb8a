/** Certificates by which hosts know each other (RFC 5280): one authority signs, each host has a key that never leaves it. */
import 'reflect-metadata'; // for @peculiar/x509
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { webcrypto } from 'node:crypto';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 20 * 365;
export const HOST_DAYS = 90;
/** Clocks of hosts differ: what is signed now must hold on a host that is behind. */
const CLOCK_SKEW_MS = DAY_MS;

const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING = { ...KEY, hash: 'SHA-256' };

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8, base64. */
  readonly privateKey: string;
}

/** A new authority, which signs itself. */
export async function createAuthority(now: Date): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Drover',
    ...validity(now, AUTHORITY_DAYS),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const privateKey = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { certificate: certificate.toString('pem'), privateKey };
}

/**
 * A certificate for the key in `request` (PEM, PKCS #10), in which the host is named by its id, whatever the request
 * asks for. Throws RangeError if the request is none, or is not signed with its own key.
 */
export async function certifyHost(authority: Authority, request: string, hostId: string, now: Date): Promise<string> {
  const { publicKey } = await readRequest(request);
  const issuer = new X509Certificate(authority.certificate);
  const pkcs8 = Buffer.from(authority.privateKey, 'base64');
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${hostId}`,
    issuer: issuer.subjectName,
    ...validity(now, HOST_DAYS),
    publicKey,
    signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, KEY, false, ['sign']),
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: hostId }]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return certificate.toString('pem');
}

async function readRequest(pem: string): Promise<Pkcs10CertificateRequest> {
  let request: Pkcs10CertificateRequest;
  try {
    request = new Pkcs10CertificateRequest(pem);
  } catch (error) {
    throw new RangeError('it is no PKCS #10 request in PEM', { cause: error });
  }
  if (!(await request.verify())) throw new RangeError('it is not signed with the key that it names');
  return request;
}

const validity = (now: Date, days: number) => ({
  notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
  notAfter: new Date(now.getTime() + days * DAY_MS),
});
