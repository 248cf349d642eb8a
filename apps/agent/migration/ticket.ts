/** Tickets that let one agent bring one VM to another, and comparison of secrets. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

interface Passage {
  readonly migrationId: string;
  readonly vmId: string;
  readonly epoch: number;
}

/** base64url(HMAC-SHA256(destination agent's token, "migrationId:vmId:epoch")), as contracts' Destination says. */
export const ticketFor = (agentToken: string, { migrationId, vmId, epoch }: Passage): string =>
  createHmac('sha256', agentToken).update(`${migrationId}:${vmId}:${epoch}`).digest('base64url');

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Equality that takes the same time wherever the two differ. */
export const isSameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
