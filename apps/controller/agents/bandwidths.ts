import type { Heartbeat, HeartbeatAnswer } from '#contracts';
import { shareLinks } from '#convergence';
import type { Repositories } from '#database';

/** How fast those migrations of a host may go, as it tells of them, that share links with others. */
export async function bandwidthsFor(
  tx: Repositories,
  { migrations: told }: Pick<Heartbeat, 'migrations'>,
): Promise<HeartbeatAnswer['bandwidths']> {
  if (told.length === 0) return [];
  const active = await tx.migrations.active();
  const sharers = active.map(({ id, sourceHostId, destinationHostId, bandwidthSharePercent, bandwidthMiBps }) => ({
    ...{ id, sourceHostId, destinationHostId },
    ...{ sharePercent: bandwidthSharePercent, limitMiBps: bandwidthMiBps },
  }));
  if (sharers.every(({ sharePercent }) => sharePercent === null)) return [];
  const links = await tx.hosts.links();
  const own = new Set(told.map(({ migrationId }) => migrationId));
  return shareLinks(sharers, links).filter(({ migrationId }) => own.has(migrationId));
}
