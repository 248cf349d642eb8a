/** Column types that occur again and again. */
import {
  Architecture,
  HostStatus,
  HypervisorName,
  MaintenancePhase,
  MigrationEncryption,
  MigrationStatus,
  MigrationTrigger,
  MoveKind,
  MoveState,
  PlanMode,
  PlanStatus,
  Severity,
  StorageDomainKind,
  VmPlacement,
  VmStatus,
} from '#contracts';

/** To the millisecond, as JavaScript has it: a value that was read can be compared with the one in the table. */
export const TIME = { type: 'timestamptz', precision: 3 } as const;
export const CREATED = { ...TIME, default: () => 'now()' } as const;
export const REAL = { type: 'double precision' } as const;
export const TEXT = { type: 'text' } as const;
export const EMPTY_TEXT = { type: 'text', default: '' } as const;
/** Percent of something that is shared; null: nothing is. */
export const SHARE = { type: 'integer', nullable: true } as const;
export const UUID = { type: 'uuid' } as const;
export const JSON_VALUE = { type: 'jsonb' } as const;

/** Conditions of CHECK constraints, from the schemas that say which values there are. */
const oneOf = (column: string, values: readonly string[]) => `${column} IN (${values.map((v) => `'${v}'`).join(', ')})`;
export const HOST_STATUS = oneOf('status', HostStatus.options);
export const VM_STATUS = oneOf('status', VmStatus.options);
export const VM_DRIVER = `${oneOf('hypervisor', HypervisorName.options)} AND ${oneOf('architecture', Architecture.options)}`;
export const VM_PLACEMENT = oneOf('placement', VmPlacement.options);
export const MAINTENANCE_PHASE = oneOf('phase', MaintenancePhase.options);
export const MIGRATION_STATUS = oneOf('status', MigrationStatus.options);
export const MIGRATION_TRIGGER = oneOf('trigger', MigrationTrigger.options);
export const PLAN_MODE = oneOf('plan_mode', PlanMode.options);
export const PLAN_STATUS = oneOf('status', PlanStatus.options);
export const MOVE_KIND = oneOf('kind', MoveKind.options);
export const MOVE_STATE = oneOf('state', MoveState.options);
export const MIGRATION_ENCRYPTION = oneOf('encryption', MigrationEncryption.options);
export const STORAGE_DOMAIN_KIND = oneOf('kind', StorageDomainKind.options);
export const SEVERITY = oneOf('severity', Severity.options);
