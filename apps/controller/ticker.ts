import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Log } from './log.js';

interface Work {
  readonly name: string;
  readonly intervalMs: number;
  readonly work: () => Promise<void>;
}

/**
 * Does its work every `intervalMs`, never twice at the same time. A failure (a database that is away) is logged when it
 * begins and when it ends, not at every turn.
 */
export class Ticker {
  private turn: Promise<void> | undefined;
  private isFailing = false;

  constructor(
    private readonly schedule: SchedulerRegistry,
    private readonly log: Log,
    private readonly job: Work,
  ) {
    schedule.addInterval(
      job.name,
      setInterval(() => this.begin(), job.intervalMs),
    );
  }

  /** Takes a turn at once, or after the one that is under way. */
  soon(): void {
    void (this.turn ?? Promise.resolve()).then(() => this.begin());
  }

  private begin(): void {
    this.turn ??= this.once().finally(() => (this.turn = undefined));
  }

  /** Waits for the turn that is under way. */
  async stop(): Promise<void> {
    if (this.schedule.doesExist('interval', this.job.name)) this.schedule.deleteInterval(this.job.name);
    await this.turn;
  }

  private async once(): Promise<void> {
    const { name, work } = this.job;
    try {
      await work();
      if (this.isFailing) this.log.info({ name }, 'works again');
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) this.log.error({ err: error, name }, 'fails; it is tried again at every turn');
      this.isFailing = true;
    }
  }
}
