import { Button, FormSelect, FormSelectOption, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { useCallback } from 'react';
import { useSearchParams } from 'react-router';
import { MigrationStatus, type MigrationView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useHistory } from '../live/recent.js';
import { useSession } from '../live/session.js';
import { Nothing } from '../parts/feedback.js';
import { MigrationIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { migrationStatusWord } from '../parts/status.js';
import { MigrationTable } from './migration-table.js';

export function MigrationsPage() {
  const { client } = useSession();
  const { migrations, hosts, vms } = useInventory();
  const [query, setQuery] = useSearchParams();
  const status = MigrationStatus.safeParse(query.get('status')).data;
  const hostId = query.get('host') ?? undefined;
  const vmId = query.get('vm') ?? undefined;
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
  const choose = (name: string, value: string) =>
    setQuery(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        return before;
      },
      { replace: true },
    );
  const filters = [
    {
      name: 'status',
      all: 'Any status',
      options: MigrationStatus.options.map((value) => ({ value, label: migrationStatusWord(value) })),
    },
    { name: 'host', all: 'Any host', options: hosts.map(({ id, name }) => ({ value: id, label: name })) },
    { name: 'vm', all: 'Any VM', options: vms.map(({ id, name }) => ({ value: id, label: name })) },
  ];
  return (
    <PageFrame title="Migrations" description="Those that run, and all that ever ran; newest first.">
      <Toolbar>
        <ToolbarContent>
          {filters.map(({ name, all, options }) => (
            <ToolbarItem key={name}>
              <FormSelect aria-label={all} value={query.get(name) ?? ''} onChange={(_, value) => choose(name, value)}>
                <FormSelectOption value="" label={all} />
                {options.map((option) => (
                  <FormSelectOption key={option.value} {...option} />
                ))}
              </FormSelect>
            </ToolbarItem>
          ))}
          {query.size > 0 && (
            <ToolbarItem>
              <Button variant="link" onClick={() => setQuery({}, { replace: true })}>
                Clear filters
              </Button>
            </ToolbarItem>
          )}
        </ToolbarContent>
      </Toolbar>
      <MigrationTable
        migrations={history.items}
        history={history.query}
        empty={
          <Nothing title={query.size > 0 ? 'No migration matches' : 'No migrations yet'} icon={MigrationIcon}>
            {query.size > 0
              ? 'Clear one of the filters.'
              : 'VMs move when a policy finds a better place, when a host goes into maintenance, or when you migrate one.'}
          </Nothing>
        }
      />
    </PageFrame>
  );
}
