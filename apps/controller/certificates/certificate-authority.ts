import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { HostCertificate } from '#contracts';
import { Database } from '#database';
import { SecretBox } from '../auth/secrets.js';
import { BadInput } from '../http/problems.js';
import { type Authority, certifyHost, createAuthority } from './x509.js';

const SETTING = 'migrationAuthority';
/** The key is sealed: a backup of the database makes nobody an authority. */
const Kept = z.object({ certificate: z.string(), sealedPrivateKey: z.base64() });

/** Says which host is which. Its key is made when the first host asks, and serves all controllers from then on. */
@Injectable()
export class CertificateAuthority {
  private authority: Promise<Authority> | null = null;

  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  /** Throws BadInput if `request` is no request for a certificate. */
  async certify(hostId: string, request: string, now: Date): Promise<HostCertificate> {
    const authority = await this.open(now);
    try {
      const certificate = await certifyHost(authority, request, hostId, now);
      return { certificate, authority: authority.certificate };
    } catch (error) {
      if (error instanceof RangeError) throw new BadInput([{ field: 'certificateRequest', message: error.message }]);
      throw error;
    }
  }

  private open(now: Date): Promise<Authority> {
    this.authority ??= this.load(now).catch((error: unknown) => {
      this.authority = null; // the next host tries again
      throw error;
    });
    return this.authority;
  }

  private async load(now: Date): Promise<Authority> {
    const kept = Kept.parse((await this.db.settings.find(SETTING)) ?? (await this.add(now)));
    return { certificate: kept.certificate, privateKey: this.box.open(Buffer.from(kept.sealedPrivateKey, 'base64')) };
  }

  private async add(now: Date): Promise<unknown> {
    const { certificate, privateKey } = await createAuthority(now);
    return this.db.settings.findOrAdd(SETTING, {
      certificate,
      sealedPrivateKey: this.box.seal(privateKey).toString('base64'),
    });
  }
}
