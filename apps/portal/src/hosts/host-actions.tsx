/** Maintenance on and off, deletion. */
import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { HostView } from '#contracts';
import { useSession } from '../live/session.js';
import { BeginDialog } from '../maintenance/begin-dialog.js';
import { ActionMenu } from '../parts/action-menu.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { useToasts } from '../parts/toasts.js';
import { MaintenanceDialog } from './maintenance-dialog.js';

type Open = 'maintenance' | 'run' | 'delete' | null;

const inMaintenance = ({ status }: HostView) => status === 'maintenance' || status === 'preparing_for_maintenance';

/** Why a host cannot be deleted now. */
function deletionRefusal({ status, vmCount }: HostView): string | undefined {
  if (vmCount > 0) return 'VMs run on it; set it to maintenance first.';
  return status === 'up' ? 'Set it to maintenance first.' : undefined;
}

/** `isPage`: as buttons, else as a menu. */
export function HostActions({ host, isPage }: { host: HostView; isPage?: boolean }) {
  const { client } = useSession();
  const { act } = useToasts();
  const navigate = useNavigate();
  const [open, setOpen] = useState<Open>(null);
  const activate = () =>
    void act(() => client.hosts.activate(host.id), `${host.name} takes VMs again`, `${host.name} was not activated`);
  const isOff = inMaintenance(host);
  const maintenance = isOff
    ? {
        title: host.status === 'maintenance' ? 'End maintenance' : 'Cancel maintenance',
        onClick: activate,
        isDisabled: false,
      }
    : {
        title: 'Set to maintenance…',
        onClick: () => setOpen('maintenance'),
        isDisabled: host.status === 'installing',
      };
  const whyNot = deletionRefusal(host);
  const menu = [
    {
      title: 'Begin maintenance…',
      onClick: () => setOpen('run'),
      isDisabled: host.status !== 'up',
      why: host.status === 'up' ? undefined : 'Only a host that is up can be emptied.',
    },
    {
      title: 'Delete…',
      onClick: () => setOpen('delete'),
      isDanger: true,
      isDisabled: whyNot !== undefined,
      why: whyNot,
    },
  ];
  return (
    <>
      {isPage && (
        <Button
          variant={isOff ? 'primary' : 'secondary'}
          onClick={maintenance.onClick}
          isDisabled={maintenance.isDisabled}
        >
          {maintenance.title}
        </Button>
      )}
      <ActionMenu label={`Actions for ${host.name}`} actions={isPage ? menu : [maintenance, ...menu]} />
      {open === 'maintenance' && <MaintenanceDialog host={host} onClose={() => setOpen(null)} />}
      {open === 'run' && <BeginDialog hostName={host.name} onClose={() => setOpen(null)} />}
      {open === 'delete' && (
        <ConfirmDialog
          title={`Delete ${host.name}?`}
          verb="Delete host"
          isDanger
          onClose={() => setOpen(null)}
          action={async () => {
            await client.hosts.remove(host.id);
            if (isPage) await navigate('/hosts');
          }}
        >
          The controller forgets the host, and its agent cannot sign in any more. History keeps its migrations.
        </ConfirmDialog>
      )}
    </>
  );
}
