import { setTimeout as sleep } from 'node:timers/promises';

/** A pause that news ends at once, be it news that came since `listen`. */
export class Wakeup {
  private hasRung = false;
  private wake: () => void = () => undefined;

  readonly ring = (): void => {
    this.hasRung = true;
    this.wake();
  };

  /** What has been heard so far is known: only what comes from now on is news. */
  listen(): void {
    this.hasRung = false;
  }

  async pause(ms: number): Promise<void> {
    if (this.hasRung) return;
    const woken = new Promise<void>((done) => (this.wake = done));
    await Promise.race([woken, sleep(ms, undefined, { ref: false })]);
  }
}
