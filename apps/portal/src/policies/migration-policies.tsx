import { Button } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { MigrationPolicyView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog, Dialog } from '../parts/dialog.js';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { duration, rate } from '../parts/figures.js';
import { AddIcon } from '../parts/icons.js';
import { Panel } from '../parts/page.js';
import { MEANS_WORDS } from './means-words.js';
import { MigrationPolicyDialog } from './migration-policy-dialog.js';
import { VersionTable } from './policy-versions.js';
import { MIGRATION_POLICIES, useMigrationPolicies } from './use-migration-policies.js';

type Open = { kind: 'create' } | { kind: 'edit' | 'delete' | 'versions'; policy: MigrationPolicyView } | null;

export function MigrationPolicies() {
  const { client } = useSession();
  const { clusters, vms } = useInventory();
  const queries = useQueryClient();
  const { data, error, refetch } = useMigrationPolicies();
  const [open, setOpen] = useState<Open>(null);
  const usersOf = ({ id }: MigrationPolicyView) =>
    [...clusters, ...vms].filter(({ migrationPolicyId }) => migrationPolicyId === id).map(({ name }) => name);
  const columns: Column<MigrationPolicyView>[] = [
    {
      title: 'Name',
      render: ({ name, description }) => (
        <div>
          {name}
          {description && <div className="subtle cell-reason">{description}</div>}
        </div>
      ),
      sortBy: ({ name }) => name,
    },
    {
      title: 'Downtime limit',
      render: ({ downtimeLimitMs }) => duration(downtimeLimitMs),
      sortBy: ({ downtimeLimitMs }) => downtimeLimitMs,
      align: 'right',
    },
    {
      title: 'Bandwidth limit',
      render: ({ bandwidthMiBps }) => (bandwidthMiBps === null ? 'none' : rate(bandwidthMiBps)),
      sortBy: ({ bandwidthMiBps }) => bandwidthMiBps ?? Infinity,
      align: 'right',
    },
    {
      title: 'Time limit',
      render: ({ timeoutSeconds }) => duration(timeoutSeconds * 1000),
      sortBy: ({ timeoutSeconds }) => timeoutSeconds,
      align: 'right',
    },
    {
      title: 'Deadline',
      render: ({ convergence }) => duration(convergence.deadlineSeconds * 1000),
      sortBy: ({ convergence }) => convergence.deadlineSeconds,
      align: 'right',
      priority: 'medium',
    },
    {
      title: 'Means',
      render: ({ convergence: { means } }) =>
        means.map((each) => MEANS_WORDS[each.means].name).join(', ') || <span className="subtle">none</span>,
      priority: 'medium',
    },
    {
      title: 'Used by',
      render: (policy) => usersOf(policy).join(', ') || <span className="subtle">nobody</span>,
      priority: 'medium',
    },
    {
      title: 'Actions',
      isActions: true,
      render: (policy) => (
        <ActionMenu
          label={`Actions for ${policy.name}`}
          actions={[
            { title: 'Edit…', onClick: () => setOpen({ kind: 'edit', policy }) },
            { title: 'Versions…', onClick: () => setOpen({ kind: 'versions', policy }) },
            {
              title: 'Delete…',
              onClick: () => setOpen({ kind: 'delete', policy }),
              isDanger: true,
              isDisabled: usersOf(policy).length > 0,
              why: usersOf(policy).length > 0 ? 'It is in use.' : undefined,
            },
          ]}
        />
      ),
    },
  ];
  const changed = () => void queries.invalidateQueries({ queryKey: MIGRATION_POLICIES });
  const create = (
    <Button variant="secondary" size="sm" icon={<AddIcon />} onClick={() => setOpen({ kind: 'create' })}>
      Create migration policy
    </Button>
  );
  return (
    <Panel title="Migration policies" aside={create}>
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && (
        <DataTable
          label="Migration policies"
          rows={data}
          columns={columns}
          rowKey={({ id }) => id}
          sortedBy={0}
          empty={
            <Nothing title="No migration policies">
              Create one: it says how long a guest may pause, and how much of the network a move may take.
            </Nothing>
          }
        />
      )}
      {(open?.kind === 'create' || open?.kind === 'edit') && (
        <MigrationPolicyDialog
          policy={open.kind === 'edit' ? open.policy : undefined}
          onSaved={changed}
          onClose={() => setOpen(null)}
        />
      )}
      {open?.kind === 'versions' && <VersionsDialog policy={open.policy} onClose={() => setOpen(null)} />}
      {open?.kind === 'delete' && (
        <ConfirmDialog
          title={`Delete ${open.policy.name}?`}
          verb="Delete migration policy"
          isDanger
          action={() => client.migrationPolicies.remove(open.policy.id).then(changed)}
          onClose={() => setOpen(null)}
        >
          Nobody uses it. This cannot be undone.
        </ConfirmDialog>
      )}
    </Panel>
  );
}

function VersionsDialog({ policy, onClose }: { policy: MigrationPolicyView; onClose: () => void }) {
  const { client } = useSession();
  const { data, error } = useQuery({
    queryKey: ['migration-policy-versions', policy],
    queryFn: () => client.migrationPolicies.versions(policy.id),
  });
  return (
    <Dialog
      title={`Versions of ${policy.name}`}
      wide
      onClose={onClose}
      footer={<Button onClick={onClose}>Close</Button>}
    >
      {error && !data ? (
        <ProblemAlert error={error} />
      ) : data ? (
        <VersionTable versions={data.items} />
      ) : (
        <LoadingPage />
      )}
    </Dialog>
  );
}
