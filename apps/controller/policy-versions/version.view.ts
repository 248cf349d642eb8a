import type { z } from 'zod';
import type { PolicyVersion } from '#database';

export const versionView = <T extends z.ZodType>(
  { version, policy, changedBy, changedAt }: PolicyVersion,
  schema: T,
) => ({
  version,
  policy: schema.parse(policy) as z.infer<T>,
  changedBy,
  changedAt: changedAt.toISOString(),
});
