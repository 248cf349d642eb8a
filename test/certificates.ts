/** Authorities and hosts for tests of encrypted migrations. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsCredentials } from '#hypervisor';
import { HostCredentials } from '../apps/agent/certificates/host-credentials.js';
import { type Authority, certifyHost } from '../apps/controller/certificates/x509.js';

/** What a host has of which the authority says that it is `hostId`. */
export async function credentialsOf(authority: Authority, hostId: string): Promise<TlsCredentials> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-host-'));
  try {
    const host = HostCredentials.open(dir);
    await host.renew(async (request) => ({
      certificate: await certifyHost(authority, request, hostId, new Date()),
      authority: authority.certificate,
    }));
    return host.need();
  } finally {
    rmSync(dir, { recursive: true });
  }
}
