/** Options with properties, in QEMU's style: `virtio-blk-device,drive=d0,num-queues=2`. */
import { UsageError } from '../usage-error.js';

/** What was given; each property is taken once, and what nobody takes is an error. */
export class Properties {
  /** `what`: the option with its value, for messages. */
  constructor(
    readonly what: string,
    private readonly given: Map<string, string>,
  ) {}

  /** Takes a property that must be there. */
  required(name: string): string {
    const value = this.optional(name);
    if (value === undefined) throw this.error(`${name}= is missing`);
    return value;
  }

  /** Takes a property that may be missing. */
  optional(name: string): string | undefined {
    const value = this.given.get(name);
    this.given.delete(name);
    return value;
  }

  /** Takes a whole number in a range. */
  integer(name: string, from: number, to: number, otherwise: number): number {
    const text = this.optional(name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < from || value > to) {
      throw this.error(`${name}=${text}: give a whole number from ${from} to ${to}`);
    }
    return value;
  }

  /** Takes one of several words. */
  oneOf<T extends string>(name: string, words: readonly T[], otherwise: T): T {
    const text = this.optional(name) ?? otherwise;
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw this.error(`${name}=${text}: give ${words.join(' or ')}`);
    return word;
  }

  /** Throws if a property is left that nobody took. */
  end(): void {
    const [left] = this.given.keys();
    if (left !== undefined) throw this.error(`unknown property ${left}`);
  }

  error(reason: string): UsageError {
    return new UsageError(`${this.what}: ${reason}`);
  }
}

/**
 * Splits `first,name=value,...`. A comma in a value is doubled; a name without value means `on`. Throws a UsageError on
 * a property that is given twice.
 */
export function parseProperties(
  option: string,
  text: string,
): { readonly first: string; readonly properties: Properties } {
  const [first, ...rest] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
  return { first: first!, properties: propertiesOf(option, text, rest) };
}

/** Splits `name=value,...`: as parseProperties, but the first part is a property like the others. */
export function parseOnlyProperties(option: string, text: string): Properties {
  const parts = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
  return propertiesOf(option, text, parts);
}

function propertiesOf(option: string, text: string, parts: readonly string[]): Properties {
  const given = new Map<string, string>();
  for (const part of parts) {
    const [, name, value] = /^([^=]+)(?:=(.*))?$/s.exec(part) ?? [];
    if (name === undefined) throw new UsageError(`-${option} ${text}: a property has no name`);
    if (given.has(name)) throw new UsageError(`-${option} ${text}: ${name} is given twice`);
    given.set(name, value ?? 'on');
  }
  return new Properties(`-${option} ${text}`, given);
}
