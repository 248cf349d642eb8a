/** The certificate with which the controller's port speaks TLS, from files that an administrator may renew. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../config-error.js';

export interface TlsFiles {
  /** PEM: the controller's certificate first, then those of its authorities. */
  readonly certificate: string;
  /** PEM, without a passphrase. */
  readonly key: string;
}

export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Undefined: the port speaks HTTP. Throws ConfigError if there is one file without the other. */
export function tlsFilesOf(certificate: string | undefined, key: string | undefined): TlsFiles | undefined {
  if (!certificate && !key) return undefined;
  const [set, missing] = certificate
    ? ['DROVER_TLS_CERT_FILE', 'DROVER_TLS_KEY_FILE']
    : ['DROVER_TLS_KEY_FILE', 'DROVER_TLS_CERT_FILE'];
  if (!certificate || !key) throw new ConfigError(`${set} is set and ${missing} is not; set both, or neither.`);
  return { certificate: resolve(certificate), key: resolve(key) };
}

/** Throws ConfigError if the files cannot be used together, or the certificate has expired by `now`. */
export function readTls(files: TlsFiles, now: Date): Tls {
  const cert = read('DROVER_TLS_CERT_FILE', files.certificate);
  const key = read('DROVER_TLS_KEY_FILE', files.key);
  const certificate = parse(
    'DROVER_TLS_CERT_FILE',
    files.certificate,
    'a certificate',
    () => new X509Certificate(cert),
  );
  const privateKey = parse('DROVER_TLS_KEY_FILE', files.key, 'a private key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConfigError(
      `DROVER_TLS_KEY_FILE is ${files.key}, which is not the key of the certificate in ${files.certificate}; give the files that belong together.`,
    );
  if (Date.parse(certificate.validTo) <= now.getTime())
    throw new ConfigError(
      `DROVER_TLS_CERT_FILE is ${files.certificate}, which has expired at ${certificate.validTo}; renew it.`,
    );
  return { cert, key };
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `${variable} is ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code}); choose a file that the controller may read.`,
    );
  }
}

function parse<T>(variable: string, file: string, what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new ConfigError(`${variable} is ${file}, which does not hold ${what} in PEM; give one that does.`, {
      cause: error,
    });
  }
}
