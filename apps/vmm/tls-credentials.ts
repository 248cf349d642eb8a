/** TLS credentials, QEMU's object tls-creds-x509: files ca-cert.pem and {server,client}-{cert,key}.pem in a folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { boolean, oneOf, optional, QmpError, string, type QmpServer } from '#qmp';

export interface TlsCredentials {
  readonly endpoint: 'client' | 'server';
  readonly verifyPeer: boolean;
  /** PEM, all three. */
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** What `object-add` has added, by id. The files are read then, and not looked at again. */
export class TlsObjects {
  private readonly objects = new Map<string, TlsCredentials>();

  constructor(qmp: QmpServer) {
    const checks = {
      'qom-type': string,
      id: string,
      dir: string,
      endpoint: oneOf('client', 'server'),
      'verify-peer': optional(boolean),
    };
    qmp.register('object-add', checks, (given) => {
      const { id, endpoint, dir } = given;
      if (given['qom-type'] !== 'tls-creds-x509')
        throw new QmpError(`objects of type '${given['qom-type']}' cannot be added: only tls-creds-x509 can`);
      if (this.objects.has(id)) throw new QmpError(`there is an object '${id}' already`);
      this.objects.set(id, read(dir, endpoint, given['verify-peer'] ?? true));
    });
    qmp.register('object-del', { id: string }, ({ id }) => {
      if (!this.objects.delete(id)) throw new QmpError(`there is no object '${id}'`);
    });
  }

  /** Throws QmpError if there is no such object, or it is for the other end of a connection. */
  find(id: string, endpoint: TlsCredentials['endpoint']): TlsCredentials {
    const found = this.objects.get(id);
    if (!found) throw new QmpError(`tls-creds '${id}': there is no such object; add it with object-add`);
    if (found.endpoint !== endpoint)
      throw new QmpError(`tls-creds '${id}' has endpoint '${found.endpoint}', and this end is the ${endpoint}`);
    return found;
  }
}

function read(dir: string, endpoint: TlsCredentials['endpoint'], verifyPeer: boolean): TlsCredentials {
  const file = (name: string) => {
    try {
      return readFileSync(join(dir, name), 'utf8');
    } catch (error) {
      throw new QmpError(`tls-creds-x509: ${(error as Error).message}`);
    }
  };
  const credentials = {
    endpoint,
    verifyPeer,
    authority: file('ca-cert.pem'),
    certificate: file(`${endpoint}-cert.pem`),
    privateKey: file(`${endpoint}-key.pem`),
  };
  try {
    createSecureContext(contextOf(credentials));
  } catch (error) {
    throw new QmpError(`tls-creds-x509 in ${dir}: ${(error as Error).message}`);
  }
  return credentials;
}

/** As Node's TLS takes them; version 1.3 (RFC 8446) alone, since both ends are ours or a recent QEMU. */
export const contextOf = ({ authority, certificate, privateKey }: TlsCredentials) =>
  ({ ca: authority, cert: certificate, key: privateKey, minVersion: 'TLSv1.3' }) as const;
