/** A maintenance policy as a form. Pure. */
import { CreateMaintenancePolicy, type MaintenancePolicyView, type MaintenanceTrigger } from '#contracts';
import { z } from 'zod';
import { NEW_PROCEDURE, ProcedureForm, procedureForm, procedureOf } from './procedure-form.js';

const { name, description, windows, triggers, hostsAtOnce, quietMinutes } = CreateMaintenancePolicy.shape;

export const PolicyForm = z.object({
  ...{ name, description: description.unwrap(), windows: windows.unwrap() },
  triggers: triggers.min(1, 'add one: without any, no host is ever due'),
  ...{ hostsAtOnce: hostsAtOnce.unwrap(), quietMinutes: quietMinutes.unwrap() },
  hostNames: z.string(),
  hostLabels: z.string(),
  ...ProcedureForm.shape,
});
export type PolicyForm = z.infer<typeof PolicyForm>;

export const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

export const newWindow = () => ({
  cron: '0 2 * * 6',
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
  durationMinutes: 240,
});

/** What each kind of trigger begins with. */
export const NEW_TRIGGER: { readonly [K in MaintenanceTrigger['kind']]: Extract<MaintenanceTrigger, { kind: K }> } = {
  window: { kind: 'window' },
  health: {
    ...{ kind: 'health', checks: ['memory_uncorrectable', 'disk', 'file_system'], atLeast: 'failed' },
    when: 'in_window',
  },
  migration_failures: { kind: 'migration_failures', count: 3, withinMinutes: 60, when: 'in_window' },
  request: { kind: 'request', when: 'in_window' },
};

/** `nameOf`: of a host, by its id. */
export function formOf(policy: MaintenancePolicyView | undefined, nameOf: (hostId: string) => string): PolicyForm {
  if (!policy)
    return {
      ...{ name: '', description: '', hostNames: '', hostLabels: '', hostsAtOnce: 1, quietMinutes: 1440 },
      ...{ windows: [newWindow()], triggers: [NEW_TRIGGER.window], ...NEW_PROCEDURE },
    };
  return {
    ...{ name: policy.name, description: policy.description, windows: policy.windows, triggers: policy.triggers },
    ...{ hostsAtOnce: policy.hostsAtOnce, quietMinutes: policy.quietMinutes },
    hostNames: policy.hostIds.map(nameOf).join(', '),
    hostLabels: policy.hostLabels.join(', '),
    ...procedureForm(policy),
  };
}

/** What the controller is told. `idOf`: of a host, by its name. */
export const policyOf = (
  form: PolicyForm,
  idOf: (hostName: string) => string,
): Omit<CreateMaintenancePolicy, 'clusterId' | 'enabled'> => ({
  ...{ name: form.name, description: form.description, windows: form.windows, triggers: form.triggers },
  ...{ hostsAtOnce: form.hostsAtOnce, quietMinutes: form.quietMinutes },
  hostIds: words(form.hostNames).map(idOf),
  hostLabels: words(form.hostLabels),
  ...procedureOf(form),
});
