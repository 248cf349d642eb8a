import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 random bits, fit for URLs and headers. */
export const newToken = (): string => randomBytes(32).toString('base64url');

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Compares in a time that says nothing about where the texts differ. */
export const sameSecret = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** What the destination's agent asks for before it takes a VM in: valid for this migration alone. */
export const migrationTicket = (agentToken: string, migrationId: string, vmId: string, epoch: number): string =>
  createHmac('sha256', agentToken).update(`${migrationId}:${vmId}:${epoch}`).digest('base64url');

/** What the switch of host `to`, whose agent has that token, asks of the one of host `from`: valid for that pair alone. */
export const tunnelKey = (agentToken: string, from: string, to: string): string =>
  createHmac('sha256', agentToken).update(`tunnel:${from}:${to}`).digest('base64url');

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM (NIST SP 800-38D) with a key from the controller's secret file: nonce, tag, ciphertext. */
export class SecretBox {
  constructor(private readonly key: Buffer) {}

  seal(text: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce);
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  }

  /** Throws if the content was changed or sealed with another key. */
  open(sealed: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      throw new Error(
        'sealed with another key: restore the file that DROVER_SECRET_FILE names, or enrol the hosts again',
      );
    }
  }
}
