import type { MaintenancePhase } from '#contracts';
import * as icons from '../parts/icons.js';

const LOOKS: Record<MaintenancePhase, { tone: string; icon: React.ComponentType; word: string }> = {
  waiting: { tone: 'off', icon: icons.WaitingIcon, word: 'Waiting' },
  evacuating: { tone: 'busy', icon: icons.MigrationIcon, word: 'Being emptied' },
  acting: { tone: 'busy', icon: icons.MaintenanceIcon, word: 'In maintenance' },
  checking: { tone: 'busy', icon: icons.MaintenanceIcon, word: 'Health is checked' },
  returning: { tone: 'busy', icon: icons.MigrationIcon, word: 'VMs come back' },
  paused: { tone: 'warn', icon: icons.PausedIcon, word: 'Paused' },
  done: { tone: 'ok', icon: icons.OkIcon, word: 'Done' },
  failed: { tone: 'bad', icon: icons.ErrorIcon, word: 'Failed' },
  skipped: { tone: 'warn', icon: icons.CancelledIcon, word: 'Skipped' },
  cancelled: { tone: 'warn', icon: icons.CancelledIcon, word: 'Cancelled' },
};

export function PhaseLabel({ phase }: { phase: MaintenancePhase }) {
  const { tone, icon: Icon, word } = LOOKS[phase];
  return (
    <span className={`status tone-${tone}`}>
      <Icon />
      <span className="status-word">{word}</span>
    </span>
  );
}

export const hasEnded = (phase: MaintenancePhase): boolean =>
  ['done', 'failed', 'skipped', 'cancelled'].includes(phase);
