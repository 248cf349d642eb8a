import {
  Button,
  FormSelect,
  FormSelectOption,
  SearchInput,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from '@patternfly/react-core';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { VmStatus } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { Nothing } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { AddIcon, VmIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { vmStatusWord } from '../parts/status.js';
import { CreateVmDialog } from './create-vm-dialog.js';
import { VmTable } from './vm-table.js';

export function VmsPage() {
  const { vms, hosts, clusters } = useInventory();
  const [creates, setCreates] = useState(false);
  const [query, setQuery] = useSearchParams();
  const text = query.get('name') ?? '';
  const status = query.get('status') ?? '';
  const hostId = query.get('host') ?? '';
  const shown = vms.filter(
    (vm) =>
      vm.name.toLowerCase().includes(text.toLowerCase()) &&
      (!status || vm.status === status) &&
      (!hostId || vm.hostId === hostId),
  );
  const choose = (name: string, value: string) =>
    setQuery(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        return before;
      },
      { replace: true },
    );
  const create = (
    <Button icon={<AddIcon />} onClick={() => setCreates(true)} isDisabled={clusters.length === 0}>
      Create VM
    </Button>
  );
  return (
    <PageFrame title="Virtual machines" actions={vms.length > 0 && create}>
      {vms.length > 0 && (
        <Toolbar>
          <ToolbarContent>
            <ToolbarItem>
              <SearchInput
                aria-label="Filter by name"
                placeholder="Filter by name"
                value={text}
                onChange={(_, value) => choose('name', value)}
                onClear={() => choose('name', '')}
              />
            </ToolbarItem>
            <ToolbarItem>
              <FormSelect aria-label="Status" value={status} onChange={(_, value) => choose('status', value)}>
                <FormSelectOption value="" label="Any status" />
                {VmStatus.options.map((value) => (
                  <FormSelectOption key={value} value={value} label={vmStatusWord(value)} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <FormSelect aria-label="Host" value={hostId} onChange={(_, value) => choose('host', value)}>
                <FormSelectOption value="" label="Any host" />
                {hosts.map(({ id, name }) => (
                  <FormSelectOption key={id} value={id} label={name} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem className="toolbar-count subtle">
              {shown.length === vms.length
                ? plural(vms.length, 'VM')
                : `${shown.length} of ${plural(vms.length, 'VM')}`}
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
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
                <Button variant="link" onClick={() => setQuery({}, { replace: true })}>
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
