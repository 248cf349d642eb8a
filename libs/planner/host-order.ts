/** Hosts sorted by a key that changes as VMs move. */
import type { HostState } from './host-state.js';

/**
 * The lowest key comes first, of equal ones the first by name. A host whose key has changed is put where it belongs in
 * logarithmic time, but for shifting the others in one array.
 */
export class HostOrder {
  readonly #hosts: HostState[];
  readonly #keys: number[];
  /** Keys by which hosts have their places now. */
  readonly #keyOf = new Map<HostState, number>();

  constructor(
    hosts: readonly HostState[],
    private readonly key: (host: HostState) => number,
  ) {
    for (const host of hosts) this.#keyOf.set(host, key(host));
    this.#hosts = hosts.toSorted((a, b) => compare(this.#keyOf.get(a)!, a, this.#keyOf.get(b)!, b));
    this.#keys = this.#hosts.map((host) => this.#keyOf.get(host)!);
  }

  get length(): number {
    return this.#hosts.length;
  }

  [Symbol.iterator](): Iterator<HostState> {
    return this.#hosts[Symbol.iterator]();
  }

  /** Undefined past the end. */
  at(place: number): HostState | undefined {
    return this.#hosts[place];
  }

  /** Infinity past the end. */
  keyAt(place: number): number {
    return this.#keys[place] ?? Infinity;
  }

  add(host: HostState): void {
    this.delete(host);
    const key = this.key(host);
    const place = this.#placeOf(key, host);
    this.#hosts.splice(place, 0, host);
    this.#keys.splice(place, 0, key);
    this.#keyOf.set(host, key);
  }

  delete(host: HostState): void {
    const key = this.#keyOf.get(host);
    if (key === undefined) return;
    const place = this.#placeOf(key, host);
    this.#hosts.splice(place, 1);
    this.#keys.splice(place, 1);
    this.#keyOf.delete(host);
  }

  /** To be called when the key of a host may have changed; does nothing for one that is not here. */
  update(host: HostState): void {
    if (this.#keyOf.has(host)) this.add(host);
  }

  /** How many hosts come before one with this key. */
  #placeOf(key: number, host: HostState): number {
    let low = 0;
    let high = this.#hosts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#keys[middle]!, this.#hosts[middle]!, key, host) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const compare = (keyA: number, a: HostState, keyB: number, b: HostState): number =>
  keyA < keyB ? -1 : keyA > keyB ? 1 : a.index - b.index;
