import { Button } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { MaintenancePolicyView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog, Dialog } from '../parts/dialog.js';
import { ClusterFirst, LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { AddIcon, MaintenanceIcon } from '../parts/icons.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { When } from '../parts/when.js';
import { useCluster } from '../policies/cluster-picker.js';
import { MaintenancePolicyDialog } from './policy-dialog.js';
import { MAINTENANCE, useMaintenancePolicies } from './use-maintenance.js';
import { actionText, triggerText, windowText } from './words.js';

type Open = { kind: 'create' } | { kind: 'edit' | 'delete' | 'history' | 'try'; policy: MaintenancePolicyView } | null;

export function MaintenancePolicies() {
  const { client } = useSession();
  const { act } = useToasts();
  const { hosts, clusters } = useInventory();
  const queries = useQueryClient();
  const cluster = useCluster();
  const { data, error, refetch } = useMaintenancePolicies();
  const [open, setOpen] = useState<Open>(null);
  const changed = () => queries.invalidateQueries({ queryKey: MAINTENANCE });
  const scopeOf = ({ hostIds, hostLabels, clusterId }: MaintenancePolicyView) =>
    [...hostIds.map((id) => hosts.find((host) => host.id === id)?.name ?? 'a deleted host'), ...hostLabels].join(
      ', ',
    ) || `all of ${clusters.find(({ id }) => id === clusterId)?.name ?? 'its cluster'}`;
  const columns: Column<MaintenancePolicyView>[] = [
    {
      title: 'Name',
      render: ({ name, description, enabled, version }) => (
        <div>
          {name} <span className="subtle">version {version}</span> {!enabled && <span className="tone-warn">off</span>}
          {description && <div className="subtle cell-reason">{description}</div>}
        </div>
      ),
      sortBy: ({ name }) => name,
    },
    {
      title: 'Hosts',
      render: (policy) => `${scopeOf(policy)}, ${policy.hostsAtOnce} at once`,
    },
    {
      title: 'When',
      render: ({ triggers }) => triggers.map((each) => <div key={triggerText(each)}>{triggerText(each)}</div>),
    },
    {
      title: 'Windows',
      render: ({ windows, nextWindow }) => (
        <>
          {windows.map((window) => (
            <div key={window.cron}>{windowText(window)}</div>
          ))}
          {nextWindow && (
            <div className="subtle">
              next <When at={nextWindow.startsAt} />
            </div>
          )}
        </>
      ),
      priority: 'medium',
    },
    { title: 'Then', render: ({ action }) => actionText(action), priority: 'medium' },
    {
      title: 'Actions',
      isActions: true,
      render: (policy) => (
        <ActionMenu
          label={`Actions for ${policy.name}`}
          actions={[
            { title: 'What would it do now?', onClick: () => setOpen({ kind: 'try', policy }) },
            {
              title: 'Change…',
              onClick: () => setOpen({ kind: 'edit', policy }),
            },
            {
              title: policy.enabled ? 'Switch off' : 'Switch on',
              onClick: () =>
                void act(
                  () => client.maintenancePolicies.update(policy.id, { enabled: !policy.enabled }).then(changed),
                  `${policy.name} is ${policy.enabled ? 'off' : 'on'}`,
                  `${policy.name} was not changed`,
                ),
            },
            { title: 'Versions', onClick: () => setOpen({ kind: 'history', policy }) },
            { title: 'Delete…', onClick: () => setOpen({ kind: 'delete', policy }), isDanger: true },
          ]}
        />
      ),
    },
  ];
  const create = (
    <Button variant="secondary" size="sm" icon={<AddIcon />} onClick={() => setOpen({ kind: 'create' })}>
      Create maintenance policy
    </Button>
  );
  const close = () => setOpen(null);
  const home = open && open.kind !== 'create' ? clusters.find(({ id }) => id === open.policy.clusterId) : cluster;
  return (
    <Panel title="Maintenance policies" aside={data && data.length > 0 && create}>
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && (
        <DataTable
          label="Maintenance policies"
          rows={data}
          columns={columns}
          rowKey={({ id }) => id}
          sortedBy={0}
          empty={
            <Nothing title="No maintenance policies" icon={MaintenanceIcon} action={cluster && create}>
              {cluster ? (
                'They say when hosts are emptied by themselves, and what is done with them then.'
              ) : (
                <ClusterFirst />
              )}
            </Nothing>
          }
        />
      )}
      {home && (open?.kind === 'create' || open?.kind === 'edit') && (
        <MaintenancePolicyDialog
          cluster={home}
          policy={open.kind === 'edit' ? open.policy : undefined}
          onClose={close}
        />
      )}
      {open?.kind === 'delete' && (
        <ConfirmDialog
          title={`Delete ${open.policy.name}?`}
          verb="Delete maintenance policy"
          isDanger
          action={() => client.maintenancePolicies.remove(open.policy.id).then(changed)}
          onClose={close}
        >
          It begins nothing any more; what it has begun goes on.
        </ConfirmDialog>
      )}
      {open?.kind === 'try' && <DryRun policy={open.policy} onClose={close} />}
      {open?.kind === 'history' && <Versions policy={open.policy} onClose={close} />}
    </Panel>
  );
}

const closeButton = (onClose: () => void) => <Button onClick={onClose}>Close</Button>;

function DryRun({ policy, onClose }: { policy: MaintenancePolicyView; onClose: () => void }) {
  const { client } = useSession();
  const { data, error } = useQuery({
    queryKey: [...MAINTENANCE, 'dry-run', policy.id],
    queryFn: () => client.maintenancePolicies.dryRun(policy.id),
  });
  return (
    <Dialog title={`What would ${policy.name} do now?`} footer={closeButton(onClose)} onClose={onClose}>
      {error && <ProblemAlert error={error} />}
      {!data && !error && <LoadingPage />}
      {data && (
        <>
          <p>{data.summary}</p>
          <ul className="fates">
            {data.due.map(({ hostId, hostName, group, reason }) => (
              <li key={hostId}>
                <b>{hostName}</b> <span className="subtle">group {group}</span> {reason}
              </li>
            ))}
          </ul>
          {data.windows.length > 0 && <h3 className="dialog-heading">Next windows</h3>}
          <ul className="fates">
            {data.windows.map(({ startsAt, endsAt }) => (
              <li key={startsAt}>
                {new Date(startsAt).toLocaleString()} to {new Date(endsAt).toLocaleString()}
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

function Versions({ policy, onClose }: { policy: MaintenancePolicyView; onClose: () => void }) {
  const { client } = useSession();
  const { data, error } = useQuery({
    queryKey: [...MAINTENANCE, 'versions', policy.id, policy.version],
    queryFn: async () => (await client.maintenancePolicies.versions(policy.id)).items,
  });
  return (
    <Dialog title={`Versions of ${policy.name}`} wide footer={closeButton(onClose)} onClose={onClose}>
      {error && <ProblemAlert error={error} />}
      <ul className="fates">
        {(data ?? []).map(({ version, changedAt, changedBy, policy: then }) => (
          <li key={version}>
            <b>{version}</b> <When at={changedAt} /> <span className="subtle">by the {changedBy}:</span>{' '}
            {then.triggers.map(triggerText).join(', ')}; {then.windows.map(windowText).join(', ') || 'no window'};{' '}
            {plural(then.hostsAtOnce, 'host')} at once; then {actionText(then.action)}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
