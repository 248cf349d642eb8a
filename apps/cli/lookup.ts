/** Objects by name or by id. */
import { allOf, type DroverClient } from '#client';
import type { ClusterView, HostView, MigrationPolicyView, Page, StorageDomainView, VmView } from '#contracts';
import { NotFound } from './failure.js';

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function only<T>(kind: string, nameOrId: string, found: readonly T[]): T {
  if (found.length === 0) throw new NotFound(`there is no ${kind} ${nameOrId}`);
  return found[0]!;
}

export const findHost = async (client: DroverClient, nameOrId: string): Promise<HostView> =>
  UUID.test(nameOrId)
    ? client.hosts.get(nameOrId)
    : only('host', nameOrId, (await client.hosts.list({ name: nameOrId })).items);

export const findVm = async (client: DroverClient, nameOrId: string): Promise<VmView> =>
  UUID.test(nameOrId)
    ? client.vms.get(nameOrId)
    : only('VM', nameOrId, (await client.vms.list({ name: nameOrId })).items);

export const findStorageDomain = async (client: DroverClient, nameOrId: string): Promise<StorageDomainView> =>
  UUID.test(nameOrId)
    ? client.storageDomains.get(nameOrId)
    : only('storage domain', nameOrId, (await client.storageDomains.list({ name: nameOrId })).items);

/** The cluster of that name or id; the only one there is if nothing was said. */
export async function findCluster(client: DroverClient, nameOrId: string | undefined): Promise<ClusterView> {
  const clusters = await all((cursor) => client.clusters.list({ cursor }));
  if (nameOrId === undefined && clusters.length !== 1)
    throw new NotFound(clusters.length === 0 ? 'there is no cluster yet' : 'there are several clusters: name one');
  return only(
    'cluster',
    nameOrId ?? '',
    nameOrId === undefined ? clusters : clusters.filter((c) => c.id === nameOrId || c.name === nameOrId),
  );
}

export async function findMigrationPolicy(client: DroverClient, nameOrId: string): Promise<MigrationPolicyView> {
  const policies = await all((cursor) => client.migrationPolicies.list({ cursor }));
  return only(
    'migration policy',
    nameOrId,
    policies.filter((p) => p.id === nameOrId || p.name === nameOrId),
  );
}

const LONGEST_PAGE = 200;

/** The first `limit` items of a list. */
export async function first<T>(
  limit: number,
  list: (page: { cursor: string | undefined; limit: number }) => Promise<Page<T>>,
): Promise<T[]> {
  const items: T[] = [];
  for await (const item of allOf((cursor) => list({ cursor, limit: Math.min(limit, LONGEST_PAGE) }))) {
    if (items.push(item) === limit) break;
  }
  return items;
}

/** Every item of a list, whatever its length. */
export async function all<T>(list: Parameters<typeof allOf<T>>[0]): Promise<T[]> {
  const items: T[] = [];
  for await (const item of allOf(list)) items.push(item);
  return items;
}

/** Id of the host of that name; null: no name was given. */
export const hostIdOf = async (client: DroverClient, name: string | undefined): Promise<string | null> =>
  name ? (await findHost(client, name)).id : null;
