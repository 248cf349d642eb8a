/** Transition tables of host, VM, migration and maintenance run. */
import type { HostStatus, MaintenancePhase, MigrationStatus, VmStatus } from '#contracts';
import type { Transitions } from './transition.js';

export { IllegalTransition, allows, transition } from './transition.js';

export const HOST_TRANSITIONS: Transitions<HostStatus> = {
  installing: ['up', 'maintenance'],
  up: ['preparing_for_maintenance', 'non_responsive'],
  preparing_for_maintenance: ['maintenance', 'up', 'non_responsive'],
  maintenance: ['up', 'non_responsive', 'powering_off', 'powering_on'],
  // Back to maintenance: it could not be switched off, or somebody has switched it on.
  powering_off: ['powered_off', 'maintenance', 'non_responsive'],
  powered_off: ['powering_on', 'maintenance'],
  powering_on: ['up', 'maintenance', 'powered_off', 'powering_off', 'non_responsive'],
  non_responsive: ['up', 'preparing_for_maintenance', 'maintenance', 'powering_off', 'powering_on'],
};

export const VM_TRANSITIONS: Transitions<VmStatus> = {
  down: ['starting', 'unknown'],
  starting: ['up', 'paused', 'down', 'stopping', 'unknown'],
  up: ['migrating', 'paused', 'stopping', 'down', 'unknown'],
  paused: ['up', 'stopping', 'down', 'unknown'],
  migrating: ['up', 'paused', 'down', 'unknown'],
  stopping: ['down', 'unknown'],
  unknown: ['starting', 'up', 'paused', 'migrating', 'stopping', 'down'],
};

/** Until switchover a migration may fail or be cancelled; after that its only end is what the destination says. */
export const MIGRATION_TRANSITIONS: Transitions<MigrationStatus> = {
  planned: ['queued', 'cancelled', 'failed'],
  queued: ['preparing', 'precopy', 'switchover', 'postcopy', 'postcopy_paused', 'completed', 'failed', 'cancelled'],
  preparing: ['precopy', 'switchover', 'postcopy', 'postcopy_paused', 'completed', 'failed', 'cancelled'],
  precopy: ['switchover', 'postcopy', 'postcopy_paused', 'completed', 'failed', 'cancelled'],
  switchover: ['postcopy', 'postcopy_paused', 'completed', 'failed', 'cancelled'],
  // The guest runs at the destination: it can only be completed, or lost.
  postcopy: ['postcopy_paused', 'completed', 'failed'],
  postcopy_paused: ['postcopy', 'completed', 'failed'],
  completed: [],
  failed: [],
  cancelled: [],
};

export const hasEnded = (status: MigrationStatus): boolean => MIGRATION_TRANSITIONS[status].length === 0;

/** A host's way into maintenance and out of it. Once it acts it can no longer be paused, only left where it is. */
export const MAINTENANCE_TRANSITIONS: Transitions<MaintenancePhase> = {
  waiting: ['evacuating', 'paused', 'failed', 'skipped', 'cancelled'],
  evacuating: ['acting', 'checking', 'returning', 'paused', 'done', 'failed', 'skipped', 'cancelled'],
  acting: ['checking', 'returning', 'failed', 'cancelled'],
  checking: ['returning', 'done', 'failed', 'cancelled'],
  returning: ['paused', 'done', 'cancelled'],
  paused: ['waiting', 'evacuating', 'returning', 'cancelled'],
  done: [],
  failed: [],
  skipped: [],
  cancelled: [],
};

export const hasEndedMaintenance = (phase: MaintenancePhase): boolean => MAINTENANCE_TRANSITIONS[phase].length === 0;
