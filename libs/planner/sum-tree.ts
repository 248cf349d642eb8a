/** The sum of one figure over all hosts, of which each move changes two. */

/**
 * A tree of sums over a fixed number of places: changing one takes logarithmic time, and the sum is always that of the
 * figures of now. (A running total would gather an error of rounding with each move.)
 */
export class SumTree {
  readonly #size: number;
  /** The children of node n are 2 n and 2 n + 1; leaves begin at #size. */
  readonly #sums: Float64Array;

  constructor(places: number) {
    this.#size = Math.max(1, places);
    this.#sums = new Float64Array(2 * this.#size);
  }

  get sum(): number {
    return this.#sums[1]!;
  }

  set(place: number, value: number): void {
    const sums = this.#sums;
    let node = place + this.#size;
    sums[node] = value;
    for (node >>= 1; node >= 1; node >>= 1) sums[node] = sums[2 * node]! + sums[2 * node + 1]!;
  }
}
