/** Looks after the host's health from time to time, and at once when the controller asks. */
import type { HealthCheck, HostHealth } from '#contracts';
import type { Log } from '../log.js';
import { diskChecks } from './disks.js';
import { fileSystemChecks } from './file-systems.js';
import { customChecks } from './health-d.js';
import { memoryChecks } from './memory-errors.js';
import { rebootCheck } from './reboot-required.js';
import { temperatureChecks } from './temperatures.js';

/** More than a heartbeat should carry; the worst ones are kept. */
const MOST_CHECKS = 150;
const RANK = { failed: 0, warning: 1, ok: 2 } as const;

/** Where things are; tests have a host of their own. */
export interface HealthSources {
  readonly memoryErrors: string;
  readonly temperatures: string;
  readonly fileSystems: string;
  readonly rebootRequired: string;
  readonly smartctl: string;
  /** Executables of one's own. */
  readonly folder: string;
}

export const sourcesOfHost = (folder: string): HealthSources => ({
  memoryErrors: '/sys/devices/system/edac/mc',
  temperatures: '/sys/class/hwmon',
  fileSystems: '/sys/fs/ext4',
  rebootRequired: '/run/reboot-required',
  smartctl: 'smartctl',
  folder,
});

/** All that can be found out; a source that is broken says so as a check. */
export async function lookAtHealth(sources: HealthSources): Promise<HealthCheck[]> {
  const looks: Record<string, Promise<HealthCheck[]>> = {
    memory: memoryChecks(sources.memoryErrors),
    temperatures: temperatureChecks(sources.temperatures),
    'file systems': fileSystemChecks(sources.fileSystems),
    disks: diskChecks(sources.smartctl),
    restart: rebootCheck(sources.rebootRequired).then((check) => [check]),
    checks: customChecks(sources.folder),
  };
  const found = await Promise.all(
    Object.entries(looks).map(([subject, look]) =>
      look.catch((error: Error): HealthCheck[] => [
        {
          kind: 'custom',
          subject,
          state: 'warning',
          value: null,
          reason: `${subject}: ${error.message}`.slice(0, 500),
        },
      ]),
    ),
  );
  return found
    .flat()
    .toSorted((a, b) => RANK[a.state] - RANK[b.state])
    .slice(0, MOST_CHECKS);
}

export class HealthWatch {
  private found: HostHealth | null = null;
  private current: Promise<void> | null = null;
  private lookedAtMs = -Infinity;
  /** Somebody waits for what is found next. */
  private isAsked = false;
  /** What has begun before this moment is out of date when it ends. */
  private validFromMs = 0;

  constructor(
    private readonly sources: HealthSources,
    private readonly intervalMs: number,
    private readonly log: Log,
  ) {}

  /** What was found since it was taken last; null: nothing new. Looks again when it is time. */
  take(nowMs: number): HostHealth | null {
    if (nowMs - this.lookedAtMs >= this.intervalMs) this.look();
    const { found } = this;
    this.found = null;
    if (found) this.isAsked = false;
    return found;
  }

  /** It was not told to anybody: it comes with the next one. */
  giveBack(health: HostHealth): void {
    this.found ??= health;
  }

  /** The controller asks, again and again until it is told. */
  ask(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    this.refresh();
  }

  /** What was seen until now does not count any more. */
  refresh(): void {
    this.validFromMs = Date.now();
    this.found = null;
    this.look();
  }

  private look(): void {
    if (this.current) return;
    const beganMs = Date.now();
    this.lookedAtMs = beganMs;
    this.current = this.lookOnce(beganMs).finally(() => {
      this.current = null;
      if (beganMs < this.validFromMs) this.look();
    });
  }

  private async lookOnce(beganMs: number): Promise<void> {
    try {
      const checks = await lookAtHealth(this.sources);
      if (beganMs >= this.validFromMs) this.found = { at: new Date(beganMs).toISOString(), checks };
    } catch (error) {
      this.log.warn({ err: error }, 'the health of the host cannot be told');
    }
  }
}
