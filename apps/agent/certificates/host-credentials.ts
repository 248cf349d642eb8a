/** The key and certificate by which other hosts know this one while VMs move. The key never leaves the host. */
import 'reflect-metadata'; // for @peculiar/x509
import { existsSync, readFileSync } from 'node:fs';
import { X509Certificate, webcrypto } from 'node:crypto';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { z } from 'zod';
import { HostCertificate } from '#contracts';
import type { TlsCredentials } from '#hypervisor';
import { ConfigError } from '../config.js';
import { writeAtomically } from '../state/json-store.js';
import { VmRefusal } from '../vms/vm-refusal.js';

/** A new one is asked for while the old one still holds this long: time enough to mend a controller that is away. */
const RENEW_BEFORE_MS = 30 * 86_400_000;
const KEY = { name: 'ECDSA', namedCurve: 'P-256' };

const CredentialsFile = HostCertificate.extend({ privateKey: z.string() });

export class HostCredentials {
  /** Until when the certificate holds; 0: there is none. */
  private endsAtMs = 0;
  private content: TlsCredentials | null = null;

  private constructor(
    private readonly file: string,
    content: TlsCredentials | null,
  ) {
    if (content) this.take(content);
  }

  /** Reads what is in the agent's folder, if anything is. Throws ConfigError if it cannot be read. */
  static open(dir: string): HostCredentials {
    const file = join(dir, 'credentials.json');
    if (!existsSync(file)) return new HostCredentials(file, null);
    try {
      return new HostCredentials(file, CredentialsFile.parse(JSON.parse(readFileSync(file, 'utf8'))));
    } catch {
      throw new ConfigError(`${file} is damaged; remove it, and the agent gets a new certificate.`);
    }
  }

  /** Throws VmRefusal until the controller has given the first one. */
  need(): TlsCredentials {
    if (this.content) return this.content;
    throw new VmRefusal('not_ready', 'this host has no certificate yet; it asks the controller each second');
  }

  /** Whether it is time to `renew`: there is none, or it soon ends. */
  isDue(now: Date): boolean {
    return this.endsAtMs - now.getTime() < RENEW_BEFORE_MS;
  }

  private take(content: TlsCredentials): void {
    this.endsAtMs = Date.parse(new X509Certificate(content.certificate).validTo);
    this.content = content;
  }

  /** Makes a new key, has it certified, and keeps both. Rejects as `certify` does; the old ones are kept then. */
  async renew(certify: (request: string) => Promise<HostCertificate>): Promise<void> {
    const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
    const request = await Pkcs10CertificateRequestGenerator.create({
      keys,
      signingAlgorithm: { ...KEY, hash: 'SHA-256' },
    });
    const { certificate, authority } = await certify(request.toString('pem'));
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    this.take({ certificate, authority, privateKey: pem('PRIVATE KEY', pkcs8) });
    writeAtomically(this.file, JSON.stringify(this.content, null, 2));
  }
}

/** RFC 7468. */
const pem = (label: string, base64: string): string =>
  `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;
