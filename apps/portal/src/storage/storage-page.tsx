/** Storage domains: where disks of VMs are, how full they are, and whose disks are there. */
import { Button } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { StorageDomainView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { ClusterFirst, LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { mebibytes } from '../parts/figures.js';
import { AddIcon, StorageIcon } from '../parts/icons.js';
import { HostLink, VmLink } from '../parts/links.js';
import { PageFrame, Panel } from '../parts/page.js';
import { CreateStorageDomainDialog } from './create-storage-domain-dialog.js';

const STORAGE_DOMAINS = ['storage-domains'];
const KINDS: Record<StorageDomainView['kind'], string> = { local: 'of each host', shared: 'shared by the hosts' };

type Open = { kind: 'create' } | { kind: 'remove'; domain: StorageDomainView } | null;

export function StoragePage() {
  const { client } = useSession();
  const { clusters, vms } = useInventory();
  const queries = useQueryClient();
  const [open, setOpen] = useState<Open>(null);
  const diskCount = vms.reduce((sum, { disks }) => sum + disks.length, 0);
  const { data, error, refetch } = useQuery({
    queryKey: [...STORAGE_DOMAINS, diskCount],
    queryFn: () => client.storageDomains.list({ limit: 200 }),
  });
  const changed = () => void queries.invalidateQueries({ queryKey: STORAGE_DOMAINS });
  const columns: Column<StorageDomainView>[] = [
    { title: 'Name', render: ({ name }) => name, sortBy: ({ name }) => name },
    { title: 'Kind', render: ({ kind }) => KINDS[kind], sortBy: ({ kind }) => kind },
    { title: 'Folder', render: ({ path }) => <code>{path}</code>, priority: 'medium' },
    {
      title: 'Cluster',
      render: ({ clusterId }) => clusters.find(({ id }) => id === clusterId)?.name,
      priority: 'low',
    },
    { title: 'Disks', render: (one) => one.diskCount, sortBy: (one) => one.diskCount, align: 'right' },
    { title: 'May grow to', render: ({ diskMiB }) => mebibytes(diskMiB), sortBy: (one) => one.diskMiB, align: 'right' },
    {
      title: 'Actions',
      isActions: true,
      render: (domain) => (
        <ActionMenu
          label={`Actions for ${domain.name}`}
          actions={[
            {
              title: 'Remove…',
              onClick: () => setOpen({ kind: 'remove', domain }),
              isDanger: true,
              isDisabled: domain.diskCount > 0,
              why: domain.diskCount > 0 ? 'Disks of VMs are there.' : undefined,
            },
          ]}
        />
      ),
    },
  ];
  const create = (
    <Button icon={<AddIcon />} onClick={() => setOpen({ kind: 'create' })}>
      Create storage domain
    </Button>
  );
  return (
    <PageFrame
      title="Storage"
      description="Folders on the hosts where disks of VMs are."
      actions={data && data.items.length > 0 && create}
    >
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && (
        <DataTable
          label="Storage domains"
          rows={data.items}
          columns={columns}
          rowKey={({ id }) => id}
          sortedBy={0}
          empty={
            <Nothing title="No storage domain" icon={StorageIcon} action={clusters.length > 0 ? create : undefined}>
              {clusters.length > 0 ? 'Create one, and VMs can have disks.' : <ClusterFirst />}
            </Nothing>
          }
        />
      )}
      {(diskCount > 0 || (data && data.items.length > 0)) && (
        <Panel title="Disks">
          <DiskTable />
        </Panel>
      )}
      {open?.kind === 'create' && <CreateStorageDomainDialog onSaved={changed} onClose={() => setOpen(null)} />}
      {open?.kind === 'remove' && (
        <ConfirmDialog
          title={`Remove ${open.domain.name}?`}
          verb="Remove storage domain"
          isDanger
          action={() => client.storageDomains.remove(open.domain.id).then(changed)}
          onClose={() => setOpen(null)}
        >
          It is forgotten; its folder stays on the hosts.
        </ConfirmDialog>
      )}
    </PageFrame>
  );
}

function DiskTable() {
  const { vms } = useInventory();
  const disks = vms.flatMap((vm) => vm.disks.map((disk) => ({ vm, disk })));
  const columns: Column<(typeof disks)[number]>[] = [
    { title: 'VM', render: ({ vm }) => <VmLink id={vm.id} name={vm.name} />, sortBy: ({ vm }) => vm.name },
    { title: 'Disk', render: ({ disk }) => disk.name, sortBy: ({ disk }) => disk.name },
    {
      title: 'Size',
      render: ({ disk }) => mebibytes(disk.sizeMiB),
      sortBy: ({ disk }) => disk.sizeMiB,
      align: 'right',
    },
    { title: 'Storage domain', render: ({ disk }) => disk.storageDomain, sortBy: ({ disk }) => disk.storageDomain },
    {
      title: 'Host',
      render: ({ vm, disk }) =>
        disk.kind === 'local' ? <HostLink id={vm.diskHostId} /> : <span className="subtle">all</span>,
    },
  ];
  return (
    <DataTable
      label="Disks"
      rows={disks}
      columns={columns}
      rowKey={({ vm, disk }) => `${vm.id} ${disk.name}`}
      sortedBy={0}
      empty={<p className="quiet">No VM has a disk yet; a VM gets one when it is created.</p>}
    />
  );
}
