/** What will happen, in the order of time; of what happens at once, what was announced first comes first. */
interface Event {
  readonly atS: number;
  readonly order: number;
  readonly happen: () => void;
}

export class EventQueue {
  /** A binary heap. */
  readonly #events: Event[] = [];
  #announced = 0;

  get nextAtS(): number {
    return this.#events[0]?.atS ?? Infinity;
  }

  announce(atS: number, happen: () => void): void {
    const event = { atS, order: this.#announced++, happen };
    let child = this.#events.length;
    for (; child > 0;) {
      const parent = (child - 1) >> 1;
      if (isBefore(this.#events[parent]!, event)) break;
      this.#events[child] = this.#events[parent]!;
      child = parent;
    }
    this.#events[child] = event;
  }

  /** Takes the next event off the queue. @throws RangeError if there is none. */
  take(): Event {
    const [first] = this.#events;
    const last = this.#events.pop();
    if (!first || !last) throw new RangeError('nothing is announced');
    if (this.#events.length > 0) this.#sink(last);
    return first;
  }

  #sink(event: Event): void {
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= this.#events.length) break;
      const right = this.#events[child + 1];
      if (right && isBefore(right, this.#events[child]!)) child++;
      if (isBefore(event, this.#events[child]!)) break;
      this.#events[parent] = this.#events[child]!;
      parent = child;
    }
    this.#events[parent] = event;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atS < b.atS || (a.atS === b.atS && a.order < b.order);
