/** How migrations share the links of their hosts. */

/** A migration under way. */
export interface Sharer {
  readonly id: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  /** Of a host's link, what migrations like this one may take together; null: it takes what it gets. */
  readonly sharePercent: number | null;
  /** Its own limit; null: none. */
  readonly limitMiBps: number | null;
}

/**
 * How fast each of those that share may go, in MiB/s; null: as fast as it can. At either end, as many as take part there
 * get the same of what their policy allows them together, and the slower end decides. `links`: of hosts whose link is known.
 */
export function shareLinks(
  migrations: readonly Sharer[],
  links: ReadonlyMap<string, number>,
): { readonly migrationId: string; readonly bandwidthMiBps: number | null }[] {
  const sharers = migrations.filter(({ sharePercent }) => sharePercent !== null);
  const countAt = (hostId: string) =>
    sharers.filter((each) => each.sourceHostId === hostId || each.destinationHostId === hostId).length;
  return sharers.map(({ id, sourceHostId, destinationHostId, sharePercent, limitMiBps }) => {
    const shares = [sourceHostId, destinationHostId].flatMap((hostId) => {
      const link = links.get(hostId);
      return link === undefined ? [] : [(link * sharePercent!) / 100 / countAt(hostId)];
    });
    const least = Math.min(limitMiBps ?? Infinity, ...shares);
    return { migrationId: id, bandwidthMiBps: Number.isFinite(least) ? Math.max(LEAST_MIBPS, least) : null };
  });
}

/** A migration that shares with many still gets on. */
const LEAST_MIBPS = 1;
