import { Alert } from '@patternfly/react-core';
import { Link, useParams } from 'react-router';
import type { VmView } from '#contracts';
import { useNow } from '../live/clock.js';
import { isActive, useInventory } from '../live/inventory.js';
import { Hops } from '../migrations/hops.js';
import { MigrationProgressBar, ProgressFigures } from '../migrations/progress.js';
import { runsOn } from '../parts/drivers.js';
import { Nothing } from '../parts/feedback.js';
import { cores, mebibytes, rate } from '../parts/figures.js';
import { HostLink } from '../parts/links.js';
import { Meter } from '../parts/meter.js';
import { Fact, Facts, PageFrame, Panel } from '../parts/page.js';
import { VmStatusLabel } from '../parts/status.js';
import { When } from '../parts/when.js';
import { Console } from './console.js';
import { PredictionPanel } from './prediction-panel.js';
import { PlacementPanel } from './placement-panel.js';
import { VmActions } from './vm-actions.js';
import { PLACEMENT_WORDS } from './vm-words.js';

const PARENT = { to: '/vms', title: 'Virtual machines' };
const HAS_CONSOLE = new Set(['up', 'paused', 'migrating', 'starting', 'stopping']);

function Cooldown({ until }: { until: string | null }) {
  const now = useNow();
  return until !== null && Date.parse(until) > now ? <When at={until} /> : 'any time';
}

function NicList({ nics }: { nics: VmView['nics'] }) {
  if (nics.length === 0) return <span className="subtle">none</span>;
  return nics.map(({ network, mac, hostDevice }) => (
    <div key={mac}>
      {network} <code>{mac}</code>
      {hostDevice && <span className="subtle"> and device {hostDevice} of its host</span>}
    </div>
  ));
}

function DiskList({ vm: { disks, diskHostId } }: { vm: VmView }) {
  if (disks.length === 0) return <span className="subtle">none</span>;
  return disks.map(({ name, sizeMiB, storageDomain, kind }) => (
    <div key={name}>
      {name} {mebibytes(sizeMiB)} on {storageDomain}
      {kind === 'local' && diskHostId && (
        <>
          {' of '}
          <HostLink id={diskHostId} />
        </>
      )}
    </div>
  ));
}

/** What the guest's agent says; a guest without one says nothing. */
function Addresses({ guest }: { guest: VmView['guest'] }) {
  if (!guest || guest.ipAddresses.length === 0) {
    return <span className="subtle">{guest ? 'none' : 'not told: the guest has no agent'}</span>;
  }
  return guest.ipAddresses.map((address) => (
    <div key={address}>
      <code>{address}</code>
    </div>
  ));
}

export function VmPage() {
  const { id } = useParams();
  const { vms } = useInventory();
  const vm = vms.find((one) => one.id === id);
  if (!vm)
    return (
      <PageFrame title="Virtual machine" parent={PARENT}>
        <Nothing title="There is no such VM">
          It may have been deleted. <Link to="/vms">All virtual machines</Link>
        </Nothing>
      </PageFrame>
    );
  return <KnownVm key={vm.id} vm={vm} />;
}

function KnownVm({ vm }: { vm: VmView }) {
  const { migrations } = useInventory();
  const now = migrations.find((one) => one.vmId === vm.id && isActive(one));
  return (
    <PageFrame
      title={vm.name}
      parent={PARENT}
      aside={<VmStatusLabel status={vm.status} />}
      actions={<VmActions vm={vm} isPage />}
    >
      {vm.statusReason && vm.status !== 'up' && (
        <Alert isInline variant={vm.status === 'unknown' ? 'danger' : 'info'} title={vm.statusReason} />
      )}
      {vm.migrationObstacle !== null && (
        <Alert isInline variant="warning" title={`It cannot be migrated: ${vm.migrationObstacle}`}>
          Policies and maintenance leave it where it is until somebody migrates it, or starts it anew.
        </Alert>
      )}
      <div className="vm-columns">
        <Panel title="Figures">
          <Facts>
            <Fact name="Host">
              <HostLink id={vm.hostId} />
            </Fact>
            <Fact name="CPU">
              <Meter kind="cpu" label="CPU" used={vm.cpuUsedCores} capacity={vm.vcpus} format={cores} unit="vCPU" />
            </Fact>
            <Fact name="Memory resident">
              <Meter kind="memory" label="Memory" used={vm.memoryUsedMiB} capacity={vm.memoryMiB} format={mebibytes} />
            </Fact>
            <Fact name="Writes">{vm.dirtyRateMiBps === null ? 'no figures yet' : rate(vm.dirtyRateMiBps)}</Fact>
            <Fact name="Network">{vm.networkUsedMiBps === null ? 'unknown' : rate(vm.networkUsedMiBps)}</Fact>
            <Fact name="Started">
              <When at={vm.startedAt} />
            </Fact>
            <Fact name="Policies may move it">
              <Cooldown until={vm.cooldownUntil} />
            </Fact>
            <Fact name="It is moved">{PLACEMENT_WORDS[vm.placement]}</Fact>
            <Fact name="Priority">
              {vm.priority}
              {vm.highAvailability && ', highly available'}
            </Fact>
            <Fact name="Runs on">{runsOn(vm)}</Fact>
            <Fact name="Image">
              <code>{vm.image}</code>
            </Fact>
            <Fact name="Command line">
              {vm.append ? <code>{vm.append}</code> : <span className="subtle">empty</span>}
            </Fact>
            <Fact name="Network cards">
              <NicList nics={vm.nics} />
            </Fact>
            <Fact name="Disks">
              <DiskList vm={vm} />
            </Fact>
            <Fact name="Addresses">
              <Addresses guest={vm.guest} />
            </Fact>
            {vm.guest?.hostName && (
              <Fact name="Host name">
                <code>{vm.guest.hostName}</code>
              </Fact>
            )}
            {vm.exitCode !== null && <Fact name="Exit status">{vm.exitCode}</Fact>}
          </Facts>
          {/* The place is kept while nothing moves, so that the console below does not jump. */}
          <div className="vm-moving">
            {now ? (
              <>
                <Link to={`/migrations/${now.id}`}>
                  Moves from {now.sourceHostName} to {now.destinationHostName}
                </Link>
                <MigrationProgressBar migration={now} />
                <ProgressFigures migration={now} />
              </>
            ) : (
              <span className="subtle">It does not move now.</span>
            )}
          </div>
        </Panel>
        <Panel title="Console">
          {HAS_CONSOLE.has(vm.status) ? (
            <Console vmId={vm.id} vmName={vm.name} epoch={vm.epoch} />
          ) : (
            <div className="console-ended">
              <p className="quiet">
                The VM does not run{vm.consoleTail ? '; its last lines were:' : '. Start it to see its console.'}
              </p>
              {vm.consoleTail && <pre>{vm.consoleTail}</pre>}
            </div>
          )}
        </Panel>
      </div>
      <PlacementPanel vm={vm} />
      <PredictionPanel vm={vm} />
      <Panel title="Migrations across hosts" aside={<span className="subtle">{vm.migrationCount} in its life</span>}>
        <Hops vm={vm} />
      </Panel>
    </PageFrame>
  );
}
