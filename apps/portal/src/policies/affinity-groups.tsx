/** Affinity groups of a cluster: what their rules are, and who breaks them now. */
import { Button } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { allOf } from '#client';
import type { AffinityGroupView, AffinityRule, ClusterView } from '#contracts';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { AddIcon } from '../parts/icons.js';
import { Panel } from '../parts/page.js';
import { AffinityDialog } from './affinity-dialog.js';

const REFRESH_MS = 5000;

const ruleText = ({ enabled, positive, enforcing }: AffinityRule, positively: string, negatively: string) =>
  enabled ? `${positive ? positively : negatively} (${enforcing ? 'hard' : 'soft'})` : '–';

/** Labels as they are, named members by their number. */
const members = (ids: readonly string[], labels: readonly string[], noun: string) =>
  [...(ids.length > 0 ? [plural(ids.length, noun)] : []), ...labels].join(', ') || '–';

export function AffinityGroups({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const queryKey = ['affinity-groups', cluster.id];
  const { data, error, refetch } = useQuery({
    queryKey,
    queryFn: async () => {
      const groups: AffinityGroupView[] = [];
      for await (const group of allOf((cursor) => client.affinityGroups.list({ cursor, clusterId: cluster.id })))
        groups.push(group);
      return groups;
    },
    refetchInterval: REFRESH_MS,
  });
  const [creates, setCreates] = useState(false);
  const [edited, setEdited] = useState<AffinityGroupView>();
  const [removes, setRemoves] = useState<AffinityGroupView>();
  const changed = () => void queries.invalidateQueries({ queryKey });
  const columns: Column<AffinityGroupView>[] = [
    { title: 'Name', render: ({ name }) => name, sortBy: ({ name }) => name },
    { title: 'VMs', render: ({ vmsRule }) => ruleText(vmsRule, 'together', 'apart') },
    { title: 'Hosts', render: ({ hostsRule }) => ruleText(hostsRule, 'on these', 'not on these') },
    { title: 'VM members', render: ({ vmIds, vmLabels }) => members(vmIds, vmLabels, 'VM') },
    { title: 'Host members', render: ({ hostIds, hostLabels }) => members(hostIds, hostLabels, 'host') },
    {
      title: 'Broken by',
      render: ({ violations }) =>
        violations.length === 0 ? (
          <span className="subtle">nobody</span>
        ) : (
          violations.map(({ vmId, vmName, reason }) => (
            <div key={`${vmId} ${reason}`} title={reason}>
              <b>{vmName}</b> <span className="subtle">{reason}</span>
            </div>
          ))
        ),
    },
    {
      title: 'Actions',
      isActions: true,
      render: (group) => (
        <ActionMenu
          label={`Actions for ${group.name}`}
          actions={[
            { title: 'Change…', onClick: () => setEdited(group) },
            { title: 'Delete…', onClick: () => setRemoves(group), isDanger: true },
          ]}
        />
      ),
    },
  ];
  const create = (
    <Button variant="secondary" size="sm" icon={<AddIcon />} onClick={() => setCreates(true)}>
      Create affinity group
    </Button>
  );
  return (
    <Panel title={`Affinity groups of ${cluster.name}`} aside={create}>
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && (
        <DataTable
          label="Affinity groups"
          rows={data}
          columns={columns}
          rowKey={({ id }) => id}
          sortedBy={0}
          empty={<Nothing title="No affinity groups">They keep VMs together or apart, on hosts or off them.</Nothing>}
        />
      )}
      {creates && <AffinityDialog cluster={cluster} onSaved={changed} onClose={() => setCreates(false)} />}
      {edited && (
        <AffinityDialog cluster={cluster} group={edited} onSaved={changed} onClose={() => setEdited(undefined)} />
      )}
      {removes && (
        <ConfirmDialog
          title={`Delete ${removes.name}?`}
          verb="Delete affinity group"
          isDanger
          action={() => client.affinityGroups.remove(removes.id).then(changed)}
          onClose={() => setRemoves(undefined)}
        >
          Its rules hold no longer; no VM is moved by that.
        </ConfirmDialog>
      )}
    </Panel>
  );
}
