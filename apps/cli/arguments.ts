/** What may stand after an option; anything else is wrong usage, found before the controller is asked. */
import { InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number from 1 on.');
  return value;
}

export function mebibytes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('give whole MiB from 0 on.');
  return value;
}

export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError('give seconds, such as --watch 5.');
  return value;
}

/** An option whose values are those of a contract's enumeration. */
export const oneOf = (flags: string, description: string, values: z.ZodEnum): Option =>
  new Option(flags, description).choices(values.options.map(String));

export const limit = (): Option => new Option('--limit <n>', 'how many at most').default(50).argParser(wholeNumber);
