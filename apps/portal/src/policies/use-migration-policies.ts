import { useQuery } from '@tanstack/react-query';
import { allOf } from '#client';
import type { MigrationPolicyView } from '#contracts';
import { useSession } from '../live/session.js';

export const MIGRATION_POLICIES = ['migration-policies'] as const;

/** All migration policies. The stream does not tell of them: whoever changes one invalidates this. */
export function useMigrationPolicies() {
  const { client } = useSession();
  return useQuery({
    queryKey: MIGRATION_POLICIES,
    queryFn: async () => {
      const policies: MigrationPolicyView[] = [];
      for await (const policy of allOf((cursor) => client.migrationPolicies.list({ cursor, limit: 200 })))
        policies.push(policy);
      return policies;
    },
  });
}
