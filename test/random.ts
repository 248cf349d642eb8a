/** Chance that can be repeated. */

/** A small seeded generator (mulberry32): the same seed gives the same numbers in every run. */
export class Random {
  constructor(private state: number) {}

  /** A whole number from 0 to limit - 1. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** True so often. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bigint(bits: number): bigint {
    let value = 0n;
    for (let left = bits; left > 0; left -= 16) value = (value << 16n) | BigInt(this.below(0x1_0000));
    return BigInt.asUintN(bits, value);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}
