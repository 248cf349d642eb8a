/** Scheduling policies as people type them: a name, and parameter=value words. */
import { z } from 'zod';
import { SCHEDULING_PARAMETERS, SchedulingPolicy } from '#contracts';
import { UsageError } from './failure.js';

type Parameters = Record<string, number | boolean>;

export const POLICY_NAMES: readonly SchedulingPolicy['name'][] = SchedulingPolicy.options.map(
  ({ shape }) => shape.name.value,
);

/** The parameters that a policy of this name has; undefined if it has none. */
const shapeOf = (name: string): Record<string, z.ZodType> | undefined =>
  Object.entries(SCHEDULING_PARAMETERS).find(([known]) => known === name)?.[1].shape;

/** `HighUtilization=70` and the like, as numbers (or true and false) by name, for the policy of that name. */
export function parametersOf(policy: string, words: readonly string[]): Parameters {
  const known = Object.keys(shapeOf(policy) ?? {});
  if (words.length > 0 && known.length === 0) throw new UsageError(`policy ${policy} has no parameters`);
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=');
      if (!known.includes(name)) throw new UsageError(`${name} is not a parameter; use ${known.join(', ')}`);
      if (value === 'true' || value === 'false') return [name, value === 'true'];
      if (value === '' || Number.isNaN(Number(value)))
        throw new UsageError(`${name}: give a number, such as ${name}=10`);
      return [name, Number(value)];
    }),
  );
}

/** The policy of that name; parameters that are not given have their defaults. */
export function policyOf(name: string, parameters: Parameters): SchedulingPolicy {
  if (!POLICY_NAMES.some((known) => known === name))
    throw new UsageError(`${name} is not a policy; use ${POLICY_NAMES.join(', ')}`);
  const parsed = SchedulingPolicy.safeParse(shapeOf(name) ? { name, parameters } : { name });
  if (parsed.success) return parsed.data;
  throw new UsageError(`policy ${name}: ${z.prettifyError(parsed.error)}`);
}
