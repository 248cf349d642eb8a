import { Button } from '@patternfly/react-core';
import { type ReactNode, useMemo, useState } from 'react';
import { Link } from 'react-router';
import type { ClusterView, HostView, MigrationView, VmView } from '#contracts';
import { EventList } from '../events/event-list.js';
import { isActive, useInventory } from '../live/inventory.js';
import { useRecentEvents, useRecentPlans } from '../live/recent.js';
import { MigrationProgressBar, ProgressFigures } from '../migrations/progress.js';
import { Nothing, ProblemAlert } from '../parts/feedback.js';
import { cores, mebibytes, plural } from '../parts/figures.js';
import { ArrowIcon, PolicyIcon } from '../parts/icons.js';
import { HostLink, VmLink } from '../parts/links.js';
import { PageFrame, Panel } from '../parts/page.js';
import { MigrationStatusLabel } from '../parts/status.js';
import { ClusterDialog } from '../policies/cluster-dialog.js';
import { ClusterPicker, useCluster } from '../policies/cluster-picker.js';
import { DecisionList } from '../policies/decision-list.js';
import { policyTitle } from '../policies/policy-words.js';
import { HostBoard } from './host-board.js';

export function DashboardPage() {
  const cluster = useCluster();
  const inventory = useInventory();
  const [creates, setCreates] = useState(false);
  const { hosts, vms, moving } = useMemo(() => {
    const ofCluster = <T extends { clusterId: string }>(items: readonly T[]) =>
      items.filter(({ clusterId }) => clusterId === cluster?.id);
    const vmIds = new Set(ofCluster(inventory.vms).map(({ id }) => id));
    return {
      hosts: ofCluster(inventory.hosts).toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })),
      vms: ofCluster(inventory.vms).toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })),
      moving: inventory.migrations.filter((one) => isActive(one) && vmIds.has(one.vmId)),
    };
  }, [inventory, cluster?.id]);

  if (!cluster)
    return (
      <PageFrame title="Dashboard">
        <Nothing
          title="No cluster yet"
          icon={PolicyIcon}
          action={<Button onClick={() => setCreates(true)}>Create a cluster</Button>}
        >
          A cluster is a group of hosts among which VMs may move, and the policy that decides where they run.
        </Nothing>
        {creates && <ClusterDialog onClose={() => setCreates(false)} />}
      </PageFrame>
    );

  return (
    <PageFrame title="Dashboard" actions={<ClusterPicker />}>
      <Totals cluster={cluster} hosts={hosts} vms={vms} moving={moving} />
      <Panel title="Hosts" aside={<Link to="/hosts">All hosts</Link>}>
        <HostBoard hosts={hosts} vms={vms} moving={moving} />
      </Panel>
      <div className="dashboard-columns">
        <MovingNow moving={moving} />
        <LastDecisions clusterId={cluster.id} />
        <LastEvents clusterId={cluster.id} />
      </div>
    </PageFrame>
  );
}

interface TotalsProps {
  readonly cluster: ClusterView;
  readonly hosts: readonly HostView[];
  readonly vms: readonly VmView[];
  readonly moving: readonly MigrationView[];
}

const sum = (values: readonly (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0);

function Totals({ cluster, hosts, vms, moving }: TotalsProps) {
  const up = hosts.filter(({ status }) => status === 'up');
  const running = vms.filter(({ status }) => status === 'up' || status === 'migrating' || status === 'paused');
  return (
    <dl className="totals">
      <Total name="Hosts up">
        {up.length}
        <small> of {hosts.length}</small>
      </Total>
      <Total name="VMs running">
        {running.length}
        <small> of {vms.length}</small>
      </Total>
      <Total name="CPU in use">
        {cores(sum(up.map((host) => host.cpuUsedCores)))}
        <small> of {cores(sum(up.map((host) => host.cpuCores)))} cores</small>
      </Total>
      <Total name="Memory promised">
        {mebibytes(sum(up.map((host) => host.memoryUsedMiB)))}
        <small> of {mebibytes(sum(up.map((host) => host.memoryMiB)))}</small>
      </Total>
      <Total name="Moving now">{moving.length}</Total>
      <Total name="Scheduling policy">
        <Link to={`/policies?cluster=${cluster.id}`} className="total-link">
          {policyTitle(cluster.schedulingPolicy.name)}
        </Link>
      </Total>
    </dl>
  );
}

function Total({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="total">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function MovingNow({ moving }: { moving: readonly MigrationView[] }) {
  return (
    <Panel
      title="Moving now"
      className="panel-scroll"
      aside={
        <Link to="/migrations">{moving.length === 0 ? 'All migrations' : plural(moving.length, 'migration')}</Link>
      }
    >
      {moving.length === 0 ? (
        <p className="quiet">
          Nothing moves. VMs move when the policy finds a better place, or when a host goes into maintenance.
        </p>
      ) : (
        <ul className="entries">
          {moving.map((migration) => (
            <li key={migration.id} className="entry">
              <div className="entry-line">
                <VmLink id={migration.vmId} name={migration.vmName} />
                <span className="route">
                  <HostLink id={migration.sourceHostId} name={migration.sourceHostName} />
                  <ArrowIcon aria-label="to" />
                  <HostLink id={migration.destinationHostId} name={migration.destinationHostName} />
                </span>
                <Link to={`/migrations/${migration.id}`} className="entry-end">
                  <MigrationStatusLabel status={migration.status} />
                </Link>
              </div>
              <MigrationProgressBar migration={migration} />
              <ProgressFigures migration={migration} />
              <p className="subtle entry-reason">{migration.reason}</p>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function LastDecisions({ clusterId }: { clusterId: string }) {
  const { data, error, refetch } = useRecentPlans();
  const plans = data?.filter((plan) => plan.clusterId === clusterId && plan.kind === 'applied').slice(0, 20);
  return (
    <Panel title="Last decisions" className="panel-scroll" aside={<Link to="/decisions">All decisions</Link>}>
      {error && !data ? (
        <ProblemAlert error={error} onRetry={() => void refetch()} />
      ) : (
        <DecisionList plans={plans ?? []} />
      )}
    </Panel>
  );
}

function LastEvents({ clusterId }: { clusterId: string }) {
  const { data, error, refetch } = useRecentEvents();
  const events = data?.filter((event) => event.clusterId === clusterId || event.clusterId === null).slice(0, 30);
  return (
    <Panel title="Events" className="panel-scroll" aside={<Link to="/events">All events</Link>}>
      {error && !data ? (
        <ProblemAlert error={error} onRetry={() => void refetch()} />
      ) : (
        <EventList events={events ?? []} />
      )}
    </Panel>
  );
}
