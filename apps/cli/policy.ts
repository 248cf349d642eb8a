/** Scheduling policies as people type them: a name, and parameter=value words. */
import { z } from 'zod';
import { EvenlyDistributedParameters, SchedulingPolicy } from '#contracts';
import { UsageError } from './failure.js';

/** `HighUtilization=70` and the like, as numbers by name. */
export function parametersOf(words: readonly string[]): Record<string, number> {
  const known = Object.keys(EvenlyDistributedParameters.shape);
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=');
      if (!known.includes(name)) throw new UsageError(`${name} is not a parameter; use ${known.join(', ')}`);
      if (value === '' || Number.isNaN(Number(value)))
        throw new UsageError(`${name}: give a number, such as ${name}=10`);
      return [name, Number(value)];
    }),
  );
}

/** The policy of that name; parameters that are not given have their defaults. */
export function policyOf(name: string, parameters: Record<string, number>): SchedulingPolicy {
  if (name === 'none' && Object.keys(parameters).length > 0) throw new UsageError('policy none has no parameters');
  const parsed = SchedulingPolicy.safeParse(name === 'none' ? { name } : { name, parameters });
  if (parsed.success) return parsed.data;
  throw new UsageError(`policy ${name}: ${z.prettifyError(parsed.error)}`);
}
