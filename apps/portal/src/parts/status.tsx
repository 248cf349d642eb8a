/** States as icon, colour and word; never colour alone. */
import type { ComponentType } from 'react';
import type { HostStatus, MigrationStatus, Severity, VmStatus } from '#contracts';
import * as icons from './icons.js';

type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'off';
interface Look {
  readonly tone: Tone;
  readonly icon: ComponentType;
  readonly word: string;
}

const HOST: Record<HostStatus, Look> = {
  installing: { tone: 'busy', icon: icons.WaitingIcon, word: 'Waits for agent' },
  up: { tone: 'ok', icon: icons.OkIcon, word: 'Up' },
  preparing_for_maintenance: { tone: 'busy', icon: icons.MaintenanceIcon, word: 'Preparing for maintenance' },
  maintenance: { tone: 'warn', icon: icons.MaintenanceIcon, word: 'Maintenance' },
  powering_off: { tone: 'busy', icon: icons.DownIcon, word: 'Switching off' },
  powered_off: { tone: 'off', icon: icons.DownIcon, word: 'Switched off' },
  powering_on: { tone: 'busy', icon: icons.WaitingIcon, word: 'Switching on' },
  non_responsive: { tone: 'bad', icon: icons.ErrorIcon, word: 'Not responding' },
};

const VM: Record<VmStatus, Look> = {
  down: { tone: 'off', icon: icons.DownIcon, word: 'Down' },
  starting: { tone: 'busy', icon: icons.WaitingIcon, word: 'Starting' },
  up: { tone: 'ok', icon: icons.UpIcon, word: 'Up' },
  paused: { tone: 'warn', icon: icons.PausedIcon, word: 'Paused' },
  migrating: { tone: 'busy', icon: icons.MigrationIcon, word: 'Migrating' },
  stopping: { tone: 'busy', icon: icons.WaitingIcon, word: 'Stopping' },
  unknown: { tone: 'bad', icon: icons.UnknownIcon, word: 'Unknown' },
};

const MIGRATION: Record<MigrationStatus, Look> = {
  planned: { tone: 'off', icon: icons.WaitingIcon, word: 'Planned' },
  queued: { tone: 'off', icon: icons.WaitingIcon, word: 'Queued' },
  preparing: { tone: 'busy', icon: icons.MigrationIcon, word: 'Preparing' },
  precopy: { tone: 'busy', icon: icons.MigrationIcon, word: 'Pre-copy' },
  switchover: { tone: 'busy', icon: icons.MigrationIcon, word: 'Switchover' },
  postcopy: { tone: 'busy', icon: icons.MigrationIcon, word: 'Post-copy' },
  postcopy_paused: { tone: 'bad', icon: icons.WarningIcon, word: 'Post-copy, connection lost' },
  completed: { tone: 'ok', icon: icons.OkIcon, word: 'Completed' },
  failed: { tone: 'bad', icon: icons.ErrorIcon, word: 'Failed' },
  cancelled: { tone: 'warn', icon: icons.CancelledIcon, word: 'Cancelled' },
};

const SEVERITY: Record<Severity, Look> = {
  info: { tone: 'off', icon: icons.InfoIcon, word: 'Info' },
  warning: { tone: 'warn', icon: icons.WarningIcon, word: 'Warning' },
  error: { tone: 'bad', icon: icons.ErrorIcon, word: 'Error' },
};

function Status({ look, reason, iconOnly }: { look: Look; reason?: string; iconOnly?: boolean }) {
  const Icon = look.icon;
  return (
    <span className={`status tone-${look.tone}`} title={reason || (iconOnly ? look.word : undefined)}>
      <Icon />
      <span className={iconOnly ? 'sr-only' : 'status-word'}>{look.word}</span>
    </span>
  );
}

interface Props<S> {
  readonly status: S;
  readonly reason?: string;
  readonly iconOnly?: boolean;
}
export const HostStatusLabel = ({ status, ...rest }: Props<HostStatus>) => <Status look={HOST[status]} {...rest} />;
export const VmStatusLabel = ({ status, ...rest }: Props<VmStatus>) => <Status look={VM[status]} {...rest} />;
export const MigrationStatusLabel = ({ status, ...rest }: Props<MigrationStatus>) => (
  <Status look={MIGRATION[status]} {...rest} />
);
export const SeverityLabel = ({ status, ...rest }: Props<Severity>) => <Status look={SEVERITY[status]} {...rest} />;

export const hostStatusWord = (status: HostStatus) => HOST[status].word;
export const vmStatusWord = (status: VmStatus) => VM[status].word;
export const migrationStatusWord = (status: MigrationStatus) => MIGRATION[status].word;
