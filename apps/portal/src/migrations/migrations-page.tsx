import { useCallback } from 'react';
import { MigrationStatus, type MigrationView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useHistory } from '../live/recent.js';
import { useSession } from '../live/session.js';
import { Nothing } from '../parts/feedback.js';
import { FilterBar, optionsOf, useFilters } from '../parts/filters.js';
import { MigrationIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { migrationStatusWord } from '../parts/status.js';
import { MigrationTable } from './migration-table.js';

export function MigrationsPage() {
  const { client } = useSession();
  const { migrations, hosts, vms } = useInventory();
  const filters = useFilters();
  const status = MigrationStatus.safeParse(filters.get('status')).data;
  const hostId = filters.get('host');
  const vmId = filters.get('vm');
  const matches = useCallback(
    (one: MigrationView) =>
      (!status || one.status === status) &&
      (!hostId || one.sourceHostId === hostId || one.destinationHostId === hostId) &&
      (!vmId || one.vmId === vmId),
    [status, hostId, vmId],
  );
  const history = useHistory<MigrationView>({
    key: ['migration-history', { status, hostId, vmId }],
    page: (cursor) => client.migrations.list({ status, hostId, vmId, cursor, limit: 50 }),
    recent: migrations,
    matches,
  });
  const choices = [
    {
      name: 'status',
      any: 'Any status',
      options: MigrationStatus.options.map((value) => ({ value, label: migrationStatusWord(value) })),
    },
    { name: 'host', any: 'Any host', options: optionsOf(hosts) },
    { name: 'vm', any: 'Any VM', options: optionsOf(vms) },
  ];
  return (
    <PageFrame title="Migrations" description="Those that run, and all that ever ran; newest first.">
      <FilterBar filters={filters} choices={choices} />
      <MigrationTable
        migrations={history.items}
        history={history.query}
        empty={
          <Nothing title={filters.isAnySet ? 'No migration matches' : 'No migrations yet'} icon={MigrationIcon}>
            {filters.isAnySet
              ? 'Clear one of the filters.'
              : 'VMs move when a policy finds a better place, when a host goes into maintenance, or when you migrate one.'}
          </Nothing>
        }
      />
    </PageFrame>
  );
}
