import { Button, SearchInput } from '@patternfly/react-core';
import { useState } from 'react';
import { VmStatus } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { Nothing } from '../parts/feedback.js';
import { FilterBar, optionsOf, useFilters } from '../parts/filters.js';
import { plural } from '../parts/figures.js';
import { AddIcon, VmIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { vmStatusWord } from '../parts/status.js';
import { CreateVmDialog } from './create-vm-dialog.js';
import { VmTable } from './vm-table.js';

export function VmsPage() {
  const { vms, hosts, clusters } = useInventory();
  const [creates, setCreates] = useState(false);
  const filters = useFilters();
  const text = filters.get('name') ?? '';
  const status = filters.get('status');
  const hostId = filters.get('host');
  const shown = vms.filter(
    (vm) =>
      vm.name.toLowerCase().includes(text.toLowerCase()) &&
      (!status || vm.status === status) &&
      (!hostId || vm.hostId === hostId),
  );
  const create = (
    <Button icon={<AddIcon />} onClick={() => setCreates(true)} isDisabled={clusters.length === 0}>
      Create VM
    </Button>
  );
  return (
    <PageFrame title="Virtual machines" actions={vms.length > 0 && create}>
      {vms.length > 0 && (
        <FilterBar
          filters={filters}
          choices={[
            {
              name: 'status',
              any: 'Any status',
              options: VmStatus.options.map((value) => ({ value, label: vmStatusWord(value) })),
            },
            { name: 'host', any: 'Any host', options: optionsOf(hosts) },
          ]}
          aside={
            shown.length === vms.length ? plural(vms.length, 'VM') : `${shown.length} of ${plural(vms.length, 'VM')}`
          }
        >
          <SearchInput
            aria-label="Filter by name"
            placeholder="Filter by name"
            value={text}
            onChange={(_, value) => filters.set('name', value)}
            onClear={() => filters.set('name', '')}
          />
        </FilterBar>
      )}
      <VmTable
        vms={shown}
        empty={
          vms.length === 0 ? (
            <Nothing title="No virtual machines yet" icon={VmIcon} action={create}>
              {clusters.length === 0
                ? 'First create a cluster, on the dashboard, and add a host to it.'
                : 'Create one: the scheduler finds a host for it, and the policy keeps it well placed.'}
            </Nothing>
          ) : (
            <Nothing
              title="No VM matches"
              action={
                <Button variant="link" onClick={filters.clear}>
                  Clear filters
                </Button>
              }
            >
              Change the name, the status or the host.
            </Nothing>
          )
        }
      />
      {creates && <CreateVmDialog onClose={() => setCreates(false)} />}
    </PageFrame>
  );
}
