/** Sees from what passes when a migration has come to a certain moment. */
import type { Channel, Moment } from './cells.js';
import type { Passing } from './faulty-network.js';
import { FRAME } from './frames.js';

const PAGES: readonly number[] = [FRAME.RAM, FRAME.COMPRESSED];

export class MomentWatch {
  private batches = 0;
  private iterations = 0;
  private isCommitted = false;
  private isRecovering = false;
  private hasCome = false;

  /** `channel`: on which the moment is waited for, where it has its own. */
  constructor(
    private readonly moment: Moment,
    private readonly channel: Channel,
  ) {}

  /** True once: with what passes the moment has come. */
  sees(passing: Passing): boolean {
    const { frame } = passing;
    if (this.hasCome) return false;
    if (frame && PAGES.includes(frame.type)) this.batches += 1;
    if (frame?.type === FRAME.ITERATION) this.iterations += 1;
    if (frame?.type === FRAME.RECOVER) this.isRecovering = true;
    this.hasCome = this.isNow(passing);
    if (frame?.type === FRAME.COMMIT) this.isCommitted = true;
    return this.hasCome;
  }

  private isNow({ channel, frame, isFlush }: Passing): boolean {
    const isPages = frame !== null && PAGES.includes(frame.type);
    switch (this.moment) {
      case 'setup':
        return channel === this.channel;
      case 'first_pass':
        return isPages && this.iterations === 0 && this.batches === 2;
      case 'later_pass':
        return isPages && this.iterations > 0;
      case 'switchover':
        return this.channel === 'nbd' ? isFlush : frame?.type === FRAME.STATE;
      case 'commit':
        return frame?.type === FRAME.COMMIT;
      case 'postcopy':
        return this.isCommitted && (this.channel === 'urgent' ? channel === 'urgent' : isPages && channel === 'main');
      case 'recovery':
        return this.isRecovering && channel === this.channel;
    }
  }
}
