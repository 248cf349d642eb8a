import type { Connection } from './connection.js';
import type { MigrationError } from './errors.js';

/** The two connections of a post-copy. They live and die together. */
export interface Lanes {
  readonly main: Connection;
  /** For pages that somebody waits for: nothing queues before them here. */
  readonly urgent: Connection;
}

/** Gives both up, and tells the other side why. Resolves when nothing of them is left. */
export async function giveUpLanes({ main, urgent }: Lanes, error: MigrationError): Promise<void> {
  main.fail(error);
  urgent.fail(error);
  await Promise.all([main.close(), urgent.close()]);
}

/** Rejects as soon as one of the two is lost; nobody need listen. */
export function loss({ main, urgent }: Lanes): Promise<never> {
  const lost = new Promise<never>((_, reject) => {
    for (const { signal } of [main, urgent]) {
      if (signal.aborted) reject(signal.reason);
      else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }
  });
  lost.catch(() => undefined);
  return lost;
}
