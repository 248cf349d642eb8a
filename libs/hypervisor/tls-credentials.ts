/** TLS for migrations and disks that are copied, with QEMU's objects tls-creds-x509. */
import { chownSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type QmpClient, QmpCommandError } from '#qmp';

/** PEM, all three. */
export interface TlsCredentials {
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

export type Endpoint = 'client' | 'server';

/** Has the process encrypt its next migration; null: not encrypt it. `peer`: the name in the destination's certificate, for a client. */
export async function setMigrationCredentials(
  qmp: QmpClient,
  folder: string,
  endpoint: Endpoint,
  credentials: TlsCredentials | null,
  peer = '',
): Promise<void> {
  if (!credentials) {
    const { 'tls-creds': former } = await qmp.execute<{ 'tls-creds'?: string }>('query-migrate-parameters');
    if (former) await qmp.execute('migrate-set-parameters', { 'tls-creds': '', 'tls-hostname': '' });
    return;
  }
  const id = await addCredentials(qmp, folder, `tls-${endpoint}`, endpoint, credentials);
  await qmp.execute('migrate-set-parameters', { 'tls-creds': id, 'tls-hostname': peer });
}

/**
 * Adds them as an object, in the place of a former one of that id; resolves with the id. The files are in `folder`, which
 * is the process's own, no longer than it takes to read them.
 */
export async function addCredentials(
  qmp: QmpClient,
  folder: string,
  id: string,
  endpoint: Endpoint,
  credentials: TlsCredentials,
): Promise<string> {
  await removeFormer(qmp, id);
  const dir = join(folder, 'tls');
  try {
    writeFiles(dir, statSync(folder).uid, endpoint, credentials);
    await qmp.execute('object-add', { 'qom-type': 'tls-creds-x509', id, endpoint, dir, 'verify-peer': true });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return id;
}

/** Of an earlier migration, if there was one: QMP has no question for that. */
async function removeFormer(qmp: QmpClient, id: string): Promise<void> {
  try {
    await qmp.execute('object-del', { id });
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error;
  }
}

function writeFiles(dir: string, user: number, endpoint: Endpoint, credentials: TlsCredentials): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { mode: 0o700 });
  const files = {
    'ca-cert.pem': credentials.authority,
    [`${endpoint}-cert.pem`]: credentials.certificate,
    [`${endpoint}-key.pem`]: credentials.privateKey,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600, flag: 'wx' });
  if (user === process.getuid?.()) return;
  for (const path of ['.', ...Object.keys(files)]) chownSync(join(dir, path), user, user);
}
