import { SMALL_LANES, type Lane } from './scratch.js';

/** The lanes of connections of which is not known what they are: whoever comes when all are taken waits for one. */
export class SmallLanes {
  private readonly free = [...SMALL_LANES];
  private readonly waiting: (() => void)[] = [];

  async take(): Promise<Lane> {
    for (;;) {
      const lane = this.free.pop();
      if (lane) return lane;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  giveBack(lane: Lane): void {
    this.free.push(lane);
    this.waiting.shift()?.();
  }
}
