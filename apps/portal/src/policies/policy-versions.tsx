/** What a policy has been, and who changed it. */
import { Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ClusterPolicyVersion, ClusterView } from '#contracts';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { When } from '../parts/when.js';

interface Version {
  readonly version: number;
  readonly policy: object;
  readonly changedBy: string;
  readonly changedAt: string;
}

/** The values that differ from the version before, as names and values. */
function changesOf(version: Version, before: Version | undefined): [name: string, value: string][] {
  const old = before?.policy as Record<string, unknown> | undefined;
  return Object.entries(version.policy)
    .filter(([name, value]) => old && JSON.stringify(old[name]) !== JSON.stringify(value))
    .map(([name, value]) => [name, textOf(value)]);
}

const textOf = (value: unknown): string =>
  value !== null && typeof value === 'object'
    ? Object.entries(value)
        .map(([name, one]) => (name === 'name' ? String(one) : `${name}: ${textOf(one)}`))
        .join(', ')
    : String(value);

interface TableProps<V extends Version> {
  readonly versions: readonly V[];
  readonly onRestore?: (version: V) => void;
}

export function VersionTable<V extends Version>({ versions, onRestore }: TableProps<V>) {
  const columns: Column<V>[] = [
    { title: 'Version', render: ({ version }) => version, align: 'right' },
    {
      title: 'Changed',
      render: (version) => {
        const changes = changesOf(version, versions[versions.indexOf(version) + 1]);
        if (changes.length === 0) return <span className="subtle">the first that is known</span>;
        return changes.map(([name, value]) => (
          <div key={name} className="clamped" title={value}>
            <b>{name}</b> <span className="subtle">{value}</span>
          </div>
        ));
      },
    },
    { title: 'By', render: ({ changedBy }) => changedBy },
    { title: 'When', render: ({ changedAt }) => <When at={changedAt} />, align: 'right' },
    ...(onRestore
      ? [
          {
            title: 'Actions',
            isActions: true,
            render: (version: V) =>
              version !== versions[0] && (
                <Button size="sm" variant="link" onClick={() => onRestore(version)}>
                  Restore…
                </Button>
              ),
          },
        ]
      : []),
  ];
  return (
    <DataTable
      label="Versions"
      rows={versions}
      columns={columns}
      rowKey={({ version }) => version}
      empty={<p className="quiet">It has not been changed yet.</p>}
    />
  );
}

export function ClusterVersions({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { say } = useToasts();
  const [restores, setRestores] = useState<ClusterPolicyVersion>();
  const { data, error, refetch } = useQuery({
    // The cluster's values are part of the key: a change of them is a new version.
    queryKey: ['cluster-versions', cluster.id, cluster],
    queryFn: () => client.clusters.versions(cluster.id),
  });
  return (
    <Panel title="Versions of the policy">
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && <VersionTable versions={data.items} onRestore={setRestores} />}
      {restores && (
        <ConfirmDialog
          title={`Restore version ${restores.version}?`}
          verb="Restore"
          action={async () => {
            await client.clusters.update(cluster.id, restores.policy);
            say(`Version ${restores.version} holds again, as a new version`);
          }}
          onClose={() => setRestores(undefined)}
        >
          The policy of {cluster.name} becomes what it was in version {restores.version}.
        </ConfirmDialog>
      )}
    </Panel>
  );
}
