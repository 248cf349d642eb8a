/** With what a connection to a destination may open, here and now: pure. */
import { MigrationError } from './errors.js';
import type { IncomingFigures } from './incoming-figures.js';
import type { Message } from './protocol.js';

export type OpeningMessage = Extract<Message, { type: 'HELLO' | 'JOIN' | 'RECOVER' }>;

/** What the destination waits for. */
export interface Expectation extends Pick<IncomingFigures, 'status' | 'migrationId' | 'epoch' | 'isConnected'> {
  /** Whether that connection beside the main one is due. */
  mayJoin(channel: number): boolean;
  /** The guest runs here, or may soon, with pages still to come. */
  readonly inPostcopy: boolean;
}

/** Throws MigrationError, `malformed` or `config`, if it may not. */
export function checkOpeningMessage(message: Message, here: Expectation): asserts message is OpeningMessage {
  const { type, body } = message;
  const { status, migrationId, epoch, isConnected, mayJoin, inPostcopy } = here;
  switch (type) {
    case 'HELLO':
      if (status === 'waiting') return;
      throw new MigrationError('config', `no migration is waited for here: it is ${status}`);
    case 'JOIN':
      if (mayJoin(body.channel) && body.migrationId === migrationId) return;
      throw new MigrationError('config', `no connection is due for migration ${body.migrationId}: it is ${status}`);
    case 'RECOVER': {
      const isAlone = status === 'postcopy_paused' || (status === 'loaded' && !isConnected);
      if (inPostcopy && isAlone && body.migrationId === migrationId && body.epoch === epoch) return;
      throw new MigrationError('config', `migration ${body.migrationId} is not to be recovered here: it is ${status}`);
    }
    default:
      throw new MigrationError('malformed', `the source sent ${type} where HELLO was due`);
  }
}
