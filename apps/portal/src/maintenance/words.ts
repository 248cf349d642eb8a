/** Maintenance in words for people. */
import type {
  BlockedChoice,
  HealthKind,
  MaintenanceAction,
  MaintenanceTrigger,
  MaintenanceVm,
  MaintenanceWindow,
  RolloutStop,
} from '#contracts';
import { plural } from '../parts/figures.js';

export const HEALTH_WORDS: Record<HealthKind, string> = {
  memory_uncorrectable: 'uncorrectable memory errors',
  memory_correctable: 'correctable memory errors',
  disk: 'disks (SMART)',
  temperature: 'temperatures',
  file_system: 'file-system errors',
  clock: 'clock',
  agent_version: 'agent version',
  reboot_required: 'restart required',
  custom: 'checks of one’s own',
};

export const CHOICE_WORDS: Record<BlockedChoice, string> = {
  wait: 'waits until it can leave',
  move_anyway: 'is moved whatever binds it',
  stop: 'is stopped, and started again afterwards',
  skip: 'keeps its host from maintenance',
};

export const CHOICE_OPTIONS = Object.entries(CHOICE_WORDS).map(([value, label]) => ({ value, label }));

export const STOP_OPTIONS = (
  [
    ['failed', 'stop after a host that has failed'],
    ['skipped', 'stop after a host that has failed or was skipped'],
    ['never', 'go on whatever becomes of a host'],
  ] as const satisfies readonly (readonly [RolloutStop, string])[]
).map(([value, label]) => ({ value, label }));

export const VM_STATE_WORDS: Record<MaintenanceVm['state'], string> = {
  here: 'still there',
  leaving: 'is leaving',
  left: 'has left',
  stopped: 'is stopped',
  coming_back: 'is coming back',
  returned: 'has come back',
  stayed: 'stays away',
};

export function triggerText(trigger: MaintenanceTrigger): string {
  switch (trigger.kind) {
    case 'window':
      return 'when a window opens';
    case 'health':
      return trigger.checks.map((kind) => HEALTH_WORDS[kind]).join(', ');
    case 'migration_failures':
      return `${plural(trigger.count, 'failed migration')} within ${plural(trigger.withinMinutes, 'minute')}`;
    case 'request':
      return 'a request by another system';
  }
}

export const windowText = ({ cron, timeZone, durationMinutes }: MaintenanceWindow): string =>
  `${cron} (${timeZone}), ${durationMinutes % 60 === 0 ? plural(durationMinutes / 60, 'hour') : plural(durationMinutes, 'minute')}`;

export function actionText(action: MaintenanceAction): string {
  switch (action.kind) {
    case 'none':
      return 'nothing';
    case 'command':
      return `runs ${[action.name, ...action.arguments].join(' ')}`;
    case 'power_cycle':
      return 'is switched off and on again';
  }
}
