import { Alert } from '@patternfly/react-core';
import { useCallback } from 'react';
import { Link, useParams } from 'react-router';
import type { EventView, HostView, MigrationView } from '#contracts';
import { EventList } from '../events/event-list.js';
import { useInventory } from '../live/inventory.js';
import { useHistory, useRecentEvents } from '../live/recent.js';
import { useSession } from '../live/session.js';
import { MigrationTable } from '../migrations/migration-table.js';
import { Nothing } from '../parts/feedback.js';
import { cores, mebibytes, plural, rate } from '../parts/figures.js';
import { Meter } from '../parts/meter.js';
import { Fact, Facts, PageFrame, Panel } from '../parts/page.js';
import { HostStatusLabel } from '../parts/status.js';
import { When } from '../parts/when.js';
import { VmTable } from '../vms/vm-table.js';
import { MaintenanceHistory } from '../maintenance/maintenance-history.js';
import { HealthList } from './health-list.js';
import { HostActions } from './host-actions.js';
import { driverText } from '../parts/drivers.js';
import { IsolationList } from './isolation-list.js';
import { PowerPanel } from './power-panel.js';

const PARENT = { to: '/hosts', title: 'Hosts' };

export function HostPage() {
  const { id } = useParams();
  const { hosts } = useInventory();
  const host = hosts.find((one) => one.id === id);
  if (!host)
    return (
      <PageFrame title="Host" parent={PARENT}>
        <Nothing title="There is no such host">
          It may have been deleted. <Link to="/hosts">All hosts</Link>
        </Nothing>
      </PageFrame>
    );
  return <KnownHost key={host.id} host={host} />;
}

function KnownHost({ host }: { host: HostView }) {
  const { client } = useSession();
  const { vms, migrations, clusters } = useInventory();
  const cluster = clusters.find(({ id }) => id === host.clusterId);
  const { data: recentEvents = [] } = useRecentEvents();
  const isOfHost = useCallback((event: EventView) => event.hostId === host.id, [host.id]);
  const events = useHistory<EventView>({
    key: ['event-history', { hostId: host.id }],
    page: (cursor) => client.events.list({ hostId: host.id, cursor, limit: 50 }),
    recent: recentEvents,
    matches: isOfHost,
  });
  const takesPart = useCallback(
    ({ sourceHostId, destinationHostId }: MigrationView) => sourceHostId === host.id || destinationHostId === host.id,
    [host.id],
  );
  const moves = useHistory<MigrationView>({
    key: ['migration-history', { hostId: host.id }],
    page: (cursor) => client.migrations.list({ hostId: host.id, cursor, limit: 50 }),
    recent: migrations,
    matches: takesPart,
  });
  return (
    <PageFrame
      title={host.name}
      parent={PARENT}
      aside={<HostStatusLabel status={host.status} />}
      actions={<HostActions host={host} isPage />}
    >
      {host.statusReason && host.status !== 'up' && (
        <Alert isInline variant={host.status === 'non_responsive' ? 'danger' : 'warning'} title={host.statusReason} />
      )}
      <Panel title="Figures">
        <Facts>
          <Fact name="CPU">
            <Meter
              marksHigh
              kind="cpu"
              label="CPU"
              used={host.cpuUsedCores}
              capacity={host.cpuCores}
              format={cores}
              unit="cores"
            />
          </Fact>
          <Fact name="Memory">
            <Meter
              marksHigh
              kind="memory"
              label="Memory"
              used={host.memoryUsedMiB}
              capacity={host.memoryMiB}
              format={mebibytes}
            />
          </Fact>
          <Fact name="Network">
            {host.networkUsedMiBps === null ? 'unknown of some VMs' : rate(host.networkUsedMiBps)}
            {host.linkMiBps === null ? ', speed of the link unknown' : ` of ${rate(host.linkMiBps)}`}
          </Fact>
          <Fact name="Waits (10 s)">
            {host.pressure
              ? `CPU ${host.pressure.cpuSomePercent.toFixed(1)} %, memory ${host.pressure.memorySomePercent.toFixed(1)} %, I/O ${host.pressure.ioSomePercent.toFixed(1)} %, stolen ${host.pressure.stealPercent.toFixed(1)} %`
              : 'not told by its kernel'}
          </Fact>
          <Fact name="Runs VMs by">{host.drivers.map(driverText).join('; ') || 'not told yet'}</Fact>
          <Fact name="Isolation of VMs">
            <IsolationList isolation={host.isolation} />
          </Fact>
          {host.hostDevices.length > 0 && <Fact name="Devices for guests">{host.hostDevices.join(', ')}</Fact>}
          {host.storage.length > 0 && (
            <Fact name="Free for disks">
              {host.storage.map(({ path, freeMiB }) => `${mebibytes(freeMiB)} in ${path}`).join(', ')}
            </Fact>
          )}
          <Fact name="Checkpoints">
            {host.checkpoints.length === 0
              ? 'none'
              : `${mebibytes(host.checkpoints.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0))} of ${plural(host.checkpoints.length, 'VM')} that left`}
          </Fact>
          <Fact name="Cluster">
            {cluster ? <Link to={`/policies?cluster=${cluster.id}`}>{cluster.name}</Link> : 'none'}
          </Fact>
          <Fact name="Last heartbeat">
            <When at={host.lastHeartbeatAt} />
          </Fact>
          <Fact name="Agent">
            {host.agentVersion
              ? `${host.agentVersion} at ${host.agentUrl ?? 'an unknown address'}`
              : 'has not enrolled yet'}
          </Fact>
        </Facts>
      </Panel>
      <PowerPanel host={host} />
      <div className="two-columns">
        <Panel title="Health">
          <HealthList health={host.health} />
        </Panel>
        <Panel title="Maintenance">
          <MaintenanceHistory hostId={host.id} />
        </Panel>
      </div>
      <Panel title="VMs on this host">
        <VmTable
          vms={vms.filter(({ hostId }) => hostId === host.id)}
          withoutHost
          empty={<p className="quiet">No VM runs here.</p>}
        />
      </Panel>
      <div className="two-columns">
        <Panel title="Migrations in and out">
          <MigrationTable
            migrations={moves.items}
            seenFrom={host.id}
            empty={<p className="quiet">No VM has come or gone yet.</p>}
            history={moves.query}
          />
        </Panel>
        <Panel title="Events">
          <EventList events={events.items.slice(0, 50)} />
        </Panel>
      </div>
    </PageFrame>
  );
}
