/** Events that a guest can bring about as often as it likes are told at most once a second (QEMU, monitor/monitor.c). */
const INTERVAL_MS = 1000;

/** QEMU's list, those of it that there are here. */
export const THROTTLED_EVENTS: readonly string[] = ['BALLOON_CHANGE', 'WATCHDOG'];

/** Sends the first message at once; of those that come within a second after it, the last when the second is over. */
export class Throttle<Message> {
  private timer: NodeJS.Timeout | undefined;
  private waiting: Message | undefined;

  constructor(private readonly send: (message: Message) => void) {}

  push(message: Message): void {
    if (this.timer) {
      this.waiting = message;
      return;
    }
    this.send(message);
    this.timer = setTimeout(() => this.elapsed(), INTERVAL_MS).unref();
  }

  private elapsed(): void {
    this.timer = undefined;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting !== undefined) this.push(waiting);
  }
}
