/** A device on the bus. Its registers are 1, 2 or 4 bytes wide; the bus splits wider accesses. */
export interface Device<State = unknown> {
  /** Reads `size` bytes at `offset` from the start of the device; a register that does not exist reads as 0. */
  read(offset: number, size: number): number;
  /** The hart that writes waits for a promise that is returned. */
  write(offset: number, size: number, value: number): void | Promise<void>;
  /** The state after power-on. */
  reset(): void;
  /** State as JSON, for a snapshot. */
  save(): State;
  /** Throws a RangeError on a state that this device cannot have. */
  restore(state: State): void;
}

/** Throws unless every named field of a saved state is a whole number from 0 to its limit. */
export function checkFields(device: string, state: Record<string, unknown>, limits: Record<string, number>): void {
  for (const [name, limit] of Object.entries(limits)) {
    const value = state[name];
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > limit) {
      throw new RangeError(`${device} state: ${name} is ${String(value)}, not a whole number from 0 to ${limit}`);
    }
  }
}

/** Throws unless `list` is an array of whole numbers from 0 to `limit`, of that length if one is given. */
export function checkList(device: string, name: string, list: unknown, limit: number, length?: number): void {
  const fits = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= limit;
  if (!Array.isArray(list) || !list.every(fits) || (length !== undefined && list.length !== length)) {
    throw new RangeError(
      `${device} state: ${name} is not a list of ${length ?? 'any number of'} values up to ${limit}`,
    );
  }
}
