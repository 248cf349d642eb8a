import { useMemo } from 'react';
import { DeactivateHost, type HostView, type VmView } from '#contracts';
import { TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { mebibytes, plural } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { HostLink } from '../parts/links.js';
import { maxMemoryMiB } from '../vms/host-options.js';

/** What becomes of a VM when its host is emptied. */
function fateOf(vm: VmView, hasPlace: boolean): string {
  if (vm.status === 'down' || vm.status === 'stopping') return 'stays down';
  return hasPlace ? 'is moved while it runs' : 'has no place elsewhere now; the host waits until there is one';
}

export function MaintenanceDialog({ host, onClose }: { host: HostView; onClose: () => void }) {
  const { client } = useSession();
  const { hosts, vms } = useInventory();
  const form = useForm({ schema: DeactivateHost, initial: { reason: '' } });
  const here = vms.filter(({ hostId }) => hostId === host.id);
  const others = useMemo(
    () =>
      hosts.filter(({ id, clusterId, status }) => id !== host.id && clusterId === host.clusterId && status === 'up'),
    [hosts, host.id, host.clusterId],
  );
  const freeMiB = ({ memoryMiB, memoryUsedMiB }: HostView) => (memoryMiB ?? 0) - (memoryUsedMiB ?? 0);
  const places = (vm: VmView) =>
    others.filter((other) => Math.min(freeMiB(other), maxMemoryMiB(other, vm)) >= vm.memoryMiB);
  return (
    <FormDialog
      title={`Set ${host.name} to maintenance`}
      description="The host takes no new VMs. Its VMs are moved to other hosts while they run; then it is in maintenance."
      form={form}
      verb="Set to maintenance"
      onClose={onClose}
      onSubmit={() =>
        void form.submit((body) => client.hosts.deactivate(host.id, body)).then((done) => done && onClose())
      }
    >
      <TextField
        form={form}
        name="reason"
        label="Reason"
        isRequired
        help="For those who find the host empty."
        placeholder="New memory modules"
      />
      <div>
        <h3 className="dialog-heading">
          {here.length === 0
            ? 'No VM runs on it: it is in maintenance at once.'
            : `What happens to its ${plural(here.length, 'VM')}`}
        </h3>
        {here.length > 0 && (
          <ul className="fates">
            {here.map((vm) => (
              <li key={vm.id}>
                <b>{vm.name}</b> <span className="subtle">{mebibytes(vm.memoryMiB)}</span>{' '}
                {fateOf(vm, places(vm).length > 0)}
                {vm.status !== 'down' && places(vm).length > 0 && (
                  <span className="subtle">
                    {' '}
                    <ArrowIcon aria-label="to" />{' '}
                    {places(vm)
                      .map(({ name }) => name)
                      .join(' or ')}
                  </span>
                )}
              </li>
            ))}
          </ul>
        )}
        {here.length > 0 && others.length === 0 && (
          <p className="tone-warn">
            No other host of the cluster is up: <HostLink id={host.id} /> stays in preparation until one is.
          </p>
        )}
      </div>
    </FormDialog>
  );
}
