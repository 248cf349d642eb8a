import { z } from 'zod';
import { Timestamp } from './common.js';
import { UpdateCluster, UpdateMigrationPolicy } from './cluster.js';

const versionOf = <T extends z.ZodType>(policy: T) =>
  z.object({
    /** 1, 2, ... without gaps. */
    version: z.int().positive(),
    policy,
    changedBy: z.string(),
    changedAt: Timestamp,
  });

/** What rules a cluster: all that may be changed of it but name and description. Versions have what there was then. */
export const ClusterPolicy = UpdateCluster.omit({ name: true, description: true });
export type ClusterPolicy = z.infer<typeof ClusterPolicy>;

/** GET /clusters/{id}/versions. */
export const ClusterPolicyVersion = versionOf(ClusterPolicy);
export type ClusterPolicyVersion = z.infer<typeof ClusterPolicyVersion>;

export const MigrationPolicyValues = UpdateMigrationPolicy.omit({ name: true, description: true }).strip();

export type MigrationPolicyValues = z.infer<typeof MigrationPolicyValues>;

/** GET /migration-policies/{id}/versions. */
export const MigrationPolicyVersion = versionOf(MigrationPolicyValues);
export type MigrationPolicyVersion = z.infer<typeof MigrationPolicyVersion>;
