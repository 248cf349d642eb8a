import type { Cluster } from '#database';
import type { Limits } from '#planner';

/** What binds every plan of the cluster. */
export const limitsOf = ({ maxMigrationsPerHost, haReservation }: Cluster): Limits => ({
  maxMigrationsPerHost,
  haReservation,
});
