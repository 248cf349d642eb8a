/** Everything one can do to a VM, what its state does not allow is disabled. */
import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { VmStatus, VmView } from '#contracts';
import { useSession } from '../live/session.js';
import { ActionMenu, type MenuAction } from '../parts/action-menu.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { useToasts } from '../parts/toasts.js';
import { EditVmDialog } from './edit-dialog.js';
import { MigrateDialog } from './migrate-dialog.js';
import { StartDialog } from './start-dialog.js';

type Open = 'start' | 'migrate' | 'edit' | 'power_off' | 'delete' | null;

/** In which states a VM can be told what. */
const ALLOWED = {
  start: ['down'],
  shutdown: ['up', 'paused'],
  powerOff: ['up', 'paused', 'starting', 'stopping', 'unknown'],
  pause: ['up'],
  resume: ['paused'],
  migrate: ['up'],
  remove: ['down'],
} as const satisfies Record<string, readonly VmStatus[]>;

/** `isPage`: the usual ones as buttons too. */
export function VmActions({ vm, isPage }: { vm: VmView; isPage?: boolean }) {
  const { client } = useSession();
  const { act } = useToasts();
  const navigate = useNavigate();
  const [open, setOpen] = useState<Open>(null);
  const isDisabled = (allowed: readonly VmStatus[]) => !allowed.includes(vm.status);
  const tell = (action: () => Promise<unknown>, done: string, failed: string) =>
    void act(action, `${vm.name} ${done}`, `${vm.name} ${failed}`);
  const actions = {
    start: { title: 'Start…', onClick: () => setOpen('start'), isDisabled: isDisabled(ALLOWED.start) },
    migrate: { title: 'Migrate…', onClick: () => setOpen('migrate'), isDisabled: isDisabled(ALLOWED.migrate) },
    pause: {
      title: 'Pause',
      onClick: () => tell(() => client.vms.pause(vm.id), 'pauses', 'was not paused'),
      isDisabled: isDisabled(ALLOWED.pause),
    },
    resume: {
      title: 'Resume',
      onClick: () => tell(() => client.vms.resume(vm.id), 'goes on', 'was not resumed'),
      isDisabled: isDisabled(ALLOWED.resume),
    },
    shutdown: {
      title: 'Shut down',
      onClick: () => tell(() => client.vms.stop(vm.id, { mode: 'shutdown' }), 'shuts down', 'was not shut down'),
      isDisabled: isDisabled(ALLOWED.shutdown),
    },
    powerOff: {
      title: 'Power off…',
      onClick: () => setOpen('power_off'),
      isDanger: true,
      isDisabled: isDisabled(ALLOWED.powerOff),
    },
    edit: { title: 'Change…', onClick: () => setOpen('edit'), isDisabled: false },
    remove: {
      title: 'Delete…',
      onClick: () => setOpen('delete'),
      isDanger: true,
      isDisabled: isDisabled(ALLOWED.remove),
    },
  } satisfies Record<string, MenuAction>;
  const isDown = vm.status === 'down';
  const buttons = isDown ? [actions.start] : [actions.migrate, vm.status === 'paused' ? actions.resume : actions.pause];
  return (
    <>
      {isPage &&
        buttons.map(({ title, onClick, isDisabled: isOff }, index) => (
          <Button key={title} variant={index === 0 ? 'primary' : 'secondary'} onClick={onClick} isDisabled={isOff}>
            {title}
          </Button>
        ))}
      <ActionMenu label={`Actions for ${vm.name}`} actions={Object.values(actions)} />
      {open === 'start' && <StartDialog vm={vm} onClose={() => setOpen(null)} />}
      {open === 'migrate' && <MigrateDialog vm={vm} onClose={() => setOpen(null)} />}
      {open === 'edit' && <EditVmDialog vm={vm} onClose={() => setOpen(null)} />}
      {open === 'power_off' && (
        <ConfirmDialog
          title={`Power off ${vm.name}?`}
          verb="Power off"
          isDanger
          action={() => client.vms.stop(vm.id, { mode: 'power_off' })}
          onClose={() => setOpen(null)}
        >
          The guest ends at once, without being asked. What it has not stored is lost.
        </ConfirmDialog>
      )}
      {open === 'delete' && (
        <ConfirmDialog
          title={`Delete ${vm.name}?`}
          verb="Delete VM"
          isDanger
          action={async () => {
            await client.vms.remove(vm.id);
            if (isPage) await navigate('/vms');
          }}
          onClose={() => setOpen(null)}
        >
          Its definition is removed. This cannot be undone.
        </ConfirmDialog>
      )}
    </>
  );
}
