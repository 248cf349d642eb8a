/** Validators of command arguments: each takes a value and its name and returns it typed, or throws a QmpError. */
import { QmpError } from './protocol.js';

export type Check<T> = (value: unknown, name: string) => T;

/** Checks by argument name; an argument that none is for is an error. */
export type ArgumentChecks = Readonly<Record<string, Check<unknown>>>;

export type CheckedArguments<Checks extends ArgumentChecks> = {
  readonly [Name in keyof Checks]: ReturnType<Checks[Name]>;
};

const expected = (name: string, what: string) => new QmpError(`argument '${name}' must be ${what}`);

export const string: Check<string> = (value, name) => {
  if (typeof value !== 'string') throw expected(name, 'a string');
  return value;
};

export const boolean: Check<boolean> = (value, name) => {
  if (typeof value !== 'boolean') throw expected(name, 'true or false');
  return value;
};

/** A whole number from `from` to `to`. */
export function integer(from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value, name) => {
    if (!Number.isSafeInteger(value)) throw expected(name, 'a whole number');
    if ((value as number) < from || (value as number) > to) throw expected(name, `from ${from} to ${to}`);
    return value as number;
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]): Check<T> {
  return (value, name) => {
    if (!choices.includes(value as T)) throw expected(name, `one of ${choices.join(', ')}`);
    return value as T;
  };
}

export function list<T>(check: Check<T>): Check<T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw expected(name, 'a list');
    return value.map((item, index) => check(item, `${name}[${index}]`));
  };
}

/** An object with these members; a member that no check is for is an error. */
export function object<Checks extends ArgumentChecks>(checks: Checks): Check<CheckedArguments<Checks>> {
  return (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw expected(name, 'an object');
    return checkArguments(value as Record<string, unknown>, checks, `${name}.`);
  };
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, name) => (value === undefined ? undefined : check(value, name));
}

/** Checks all arguments of a command. Throws a QmpError that names the first that is wrong, missing or unknown. */
export function checkArguments<Checks extends ArgumentChecks>(
  given: Readonly<Record<string, unknown>>,
  checks: Checks,
  prefix = '',
): CheckedArguments<Checks> {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(checks, name));
  if (unknown !== undefined) throw new QmpError(`argument '${prefix}${unknown}' is not known here`);
  const entries = Object.entries(checks).map(([name, check]) => [name, check(given[name], prefix + name)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as CheckedArguments<Checks>;
}
