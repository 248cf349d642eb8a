/** The passes of a migration as its destination takes them: each must hold as many pages as the source has counted. */
import type { Connection } from './connection.js';
import { MigrationError } from './errors.js';
import type { IncomingFigures } from './incoming-figures.js';
import type { PageReceivers } from './multifd.js';

/** What stayed at the source, to follow while the guest runs here. */
export interface Missing {
  /** One bit a page. */
  readonly bitmap: Uint8Array;
  readonly pages: number;
}

/** What came behind the last pass. */
export interface Taken {
  /** Whether the guest is to run when it is here. */
  readonly running: boolean;
  readonly state: Uint8Array;
  /** Null unless this is post-copy. */
  readonly missing: Missing | null;
}

/** What is known of the passes outside: pages are counted where they are taken. */
export interface PassProgress {
  /** Number of the pass under way, and pages of all passes up to now. */
  counted(): Pick<IncomingFigures, 'iteration' | 'pages' | 'zeroPages'>;
  /** The pass of that number begins. */
  begin(iteration: number): void;
}

/** Takes all passes up to END. Throws MigrationError `malformed` if the source counted otherwise, or sent something else. */
export async function takePasses(
  connection: Connection,
  pageReceivers: PageReceivers,
  progress: PassProgress,
): Promise<Taken> {
  let before = { pages: 0, zeroPages: 0 };
  let bitmap: Uint8Array | null = null;
  for (;;) {
    const message = await connection.next();
    if (message.type !== 'DISCARD') await pageReceivers.synced(progress.counted().iteration);
    const { iteration, pages, zeroPages } = progress.counted();
    if (message.type === 'ITERATION') {
      const sent = { pages: pages - before.pages, zeroPages: zeroPages - before.zeroPages };
      checkTotals(`iteration ${iteration}`, { iteration, ...sent }, message.body);
      before = { pages, zeroPages };
      progress.begin(iteration + 1);
      connection.send('RECEIVED', { iteration });
    } else if (message.type === 'DISCARD') {
      bitmap = message.body;
    } else if (message.type === 'STATE') {
      const { running, missingPages, ...totals } = await connection.expect('END');
      checkTotals('the stream', { pages, zeroPages }, totals);
      return { running, state: message.body, missing: bitmap && { bitmap, pages: missingPages } };
    } else {
      throw new MigrationError('malformed', `the source sent ${message.type} in the middle of the pages`);
    }
  }
}

/** Throws MigrationError `malformed` if the source counted otherwise. */
export function checkTotals<T extends object>(what: string, counted: T, claimed: T): void {
  for (const [field, count] of Object.entries(counted)) {
    const claim = claimed[field as keyof T];
    if (claim !== count)
      throw new MigrationError('malformed', `${what}: the source counts ${field} ${claim}, ${count} came`);
  }
}
