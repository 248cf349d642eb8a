/** How hosts are brought into maintenance and out of it, as a form. Pure. */
import { z } from 'zod';
import { MaintenanceProcedure } from '#contracts';

const { onBlocked, blockedWaitMinutes, stopRolloutOn, maxAttempts, evacuationTimeoutMinutes, activate, returnVms } =
  MaintenanceProcedure.shape;

export const ProcedureForm = z.object({
  action: z.enum(['none', 'command', 'power_cycle']),
  command: z.string(),
  arguments: z.string(),
  timeoutSeconds: z.number().int().min(1).max(86_400),
  restarts: z.boolean(),
  onBlocked: onBlocked.unwrap(),
  blockedWaitMinutes: blockedWaitMinutes.unwrap(),
  stopRolloutOn: stopRolloutOn.unwrap(),
  maxAttempts: maxAttempts.unwrap(),
  evacuationTimeoutMinutes: evacuationTimeoutMinutes.unwrap(),
  activate: activate.unwrap(),
  returnVms: returnVms.unwrap(),
});
export type ProcedureForm = z.infer<typeof ProcedureForm>;

export const NEW_PROCEDURE: ProcedureForm = procedureForm(MaintenanceProcedure.parse({}));

export function procedureForm({ action, ...more }: MaintenanceProcedure): ProcedureForm {
  const command = action.kind === 'command' ? action : null;
  return {
    ...{ action: action.kind, command: command?.name ?? '', arguments: command?.arguments.join(' ') ?? '' },
    ...{ timeoutSeconds: command?.timeoutSeconds ?? 3600, restarts: command?.restarts ?? false },
    ...{ onBlocked: more.onBlocked, maxAttempts: more.maxAttempts, activate: more.activate },
    ...{ evacuationTimeoutMinutes: more.evacuationTimeoutMinutes, returnVms: more.returnVms },
    ...{ blockedWaitMinutes: more.blockedWaitMinutes, stopRolloutOn: more.stopRolloutOn },
  };
}

export function procedureOf(form: ProcedureForm): MaintenanceProcedure {
  const { command, timeoutSeconds, restarts, action, arguments: words, ...more } = form;
  return {
    ...{ onBlocked: more.onBlocked, maxAttempts: more.maxAttempts, activate: more.activate },
    ...{ evacuationTimeoutMinutes: more.evacuationTimeoutMinutes, returnVms: more.returnVms },
    ...{ blockedWaitMinutes: more.blockedWaitMinutes, stopRolloutOn: more.stopRolloutOn },
    action:
      action === 'command'
        ? {
            ...{ kind: action, name: command.trim(), timeoutSeconds, restarts },
            arguments: words.split(/\s+/).filter((word) => word !== ''),
          }
        : { kind: action },
  };
}
