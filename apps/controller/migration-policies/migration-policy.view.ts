import type { MigrationPolicyView } from '#contracts';
import type { MigrationPolicy } from '#database';

export const migrationPolicyView = (policy: MigrationPolicy): MigrationPolicyView => ({
  ...policy,
  createdAt: policy.createdAt.toISOString(),
});
