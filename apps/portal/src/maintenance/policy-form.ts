/** A maintenance policy as a form: one window, each trigger once. Pure. */
import { z } from 'zod';
import {
  BlockedChoice,
  type CreateMaintenancePolicy,
  HealthKind,
  type MaintenancePolicyView,
  type MaintenanceTrigger,
  Name,
} from '#contracts';

export const PolicyForm = z.object({
  name: Name,
  description: z.string().max(1000),
  hostNames: z.string(),
  hostLabels: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  durationMinutes: z.number().int().min(1).max(10_080),
  onWindow: z.boolean(),
  health: z.enum(['warning', 'failed']).nullable(),
  kinds: z.array(HealthKind),
  failures: z.number().int().min(1).max(100).nullable(),
  onRequest: z.boolean(),
  when: z.enum(['at_once', 'in_window']),
  hostsAtOnce: z.number().int().min(1).max(100),
  command: z.string(),
  arguments: z.string(),
  restarts: z.boolean(),
  powerCycle: z.boolean(),
  onBlocked: BlockedChoice,
  activate: z.boolean(),
  returnVms: z.boolean(),
});
export type PolicyForm = z.infer<typeof PolicyForm>;

export const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

const NEW: PolicyForm = {
  name: '',
  description: '',
  hostNames: '',
  hostLabels: '',
  cron: '0 2 * * 6',
  timeZone: 'UTC',
  durationMinutes: 240,
  onWindow: true,
  health: null,
  kinds: ['memory_uncorrectable', 'disk', 'file_system'],
  failures: null,
  onRequest: false,
  when: 'in_window',
  hostsAtOnce: 1,
  command: '',
  arguments: '',
  restarts: false,
  powerCycle: false,
  onBlocked: 'wait',
  activate: true,
  returnVms: true,
};

/** Whether the form can show all that the policy says; others are changed by command line or API. */
export function fitsForm({ windows, triggers }: MaintenancePolicyView): boolean {
  const kinds = triggers.map(({ kind }) => kind);
  const whens = triggers.flatMap((trigger) => (trigger.kind === 'window' ? [] : [trigger.when]));
  return windows.length <= 1 && new Set(kinds).size === kinds.length && new Set(whens).size <= 1;
}

/** `nameOf`: of a host, by its id. */
export function formOf(policy: MaintenancePolicyView | undefined, nameOf: (hostId: string) => string): PolicyForm {
  if (!policy) return { ...NEW, timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' };
  const of = <K extends MaintenanceTrigger['kind']>(kind: K) =>
    policy.triggers.find((trigger): trigger is Extract<MaintenanceTrigger, { kind: K }> => trigger.kind === kind);
  const [window] = policy.windows;
  const { action } = policy;
  const others = policy.triggers.find((trigger) => trigger.kind !== 'window');
  return {
    ...NEW,
    ...policy,
    hostNames: policy.hostIds.map(nameOf).join(', '),
    hostLabels: policy.hostLabels.join(', '),
    cron: window?.cron ?? '',
    timeZone: window?.timeZone ?? 'UTC',
    durationMinutes: window?.durationMinutes ?? NEW.durationMinutes,
    onWindow: of('window') !== undefined,
    health: of('health')?.atLeast ?? null,
    kinds: of('health')?.checks ?? NEW.kinds,
    failures: of('migration_failures')?.count ?? null,
    onRequest: of('request') !== undefined,
    when: others?.when ?? 'in_window',
    command: action.kind === 'command' ? action.name : '',
    arguments: action.kind === 'command' ? action.arguments.join(' ') : '',
    restarts: action.kind === 'command' && action.restarts,
    powerCycle: action.kind === 'power_cycle',
  };
}

/** What the controller is told. `idOf`: of a host, by its name. */
export function policyOf(
  form: PolicyForm,
  idOf: (hostName: string) => string,
): Omit<
  CreateMaintenancePolicy,
  'clusterId' | 'enabled' | 'quietMinutes' | 'maxAttempts' | 'evacuationTimeoutMinutes'
> {
  const { when, health, kinds, failures } = form;
  const triggers: MaintenanceTrigger[] = [
    ...(form.onWindow ? [{ kind: 'window' as const }] : []),
    ...(health ? [{ kind: 'health' as const, checks: kinds, atLeast: health, when }] : []),
    ...(failures ? [{ kind: 'migration_failures' as const, count: failures, withinMinutes: 60, when }] : []),
    ...(form.onRequest ? [{ kind: 'request' as const, when }] : []),
  ];
  const { cron, timeZone, durationMinutes, command, restarts } = form;
  const { name, description, hostsAtOnce, onBlocked, activate, returnVms } = form;
  return {
    ...{ name, description, hostsAtOnce, onBlocked, activate, returnVms, triggers },
    hostIds: words(form.hostNames).map(idOf),
    hostLabels: words(form.hostLabels),
    windows: cron.trim() === '' ? [] : [{ cron: cron.trim(), timeZone, durationMinutes }],
    action:
      command.trim() === ''
        ? { kind: form.powerCycle ? 'power_cycle' : 'none' }
        : {
            ...{ kind: 'command', name: command.trim(), restarts, timeoutSeconds: 3600 },
            arguments: form.arguments.split(/\s+/).filter((word) => word !== ''),
          },
  };
}
