import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Log } from './log.js';

/**
 * Calls `work` every `intervalMs`, never twice at the same time. A failure (a database that is away) is logged when it
 * begins and when it ends, not at every turn.
 */
export function tick(
  schedule: SchedulerRegistry,
  log: Log,
  { name, intervalMs, work }: { name: string; intervalMs: number; work: () => Promise<void> },
): void {
  let isWorking = false;
  let isFailing = false;
  const turn = async () => {
    if (isWorking) return;
    isWorking = true;
    try {
      await work();
      if (isFailing) log.info({ name }, 'works again');
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.error({ err: error, name }, 'fails; it is tried again at every turn');
      isFailing = true;
    } finally {
      isWorking = false;
    }
  };
  schedule.addInterval(
    name,
    setInterval(() => void turn(), intervalMs),
  );
}
