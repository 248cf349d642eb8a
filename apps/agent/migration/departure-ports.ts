import type { Log } from '../log.js';
import type { JsonStore } from '../state/json-store.js';
import type { Checkpoints } from '../vms/checkpoints.js';
import type { VmTable } from '../vms/vm-table.js';
import type { VmTransfers } from '../vms/vm-transfers.js';
import type { Converger } from './convergence/converger.js';
import type { MigrationLog } from './migration-log.js';
import type { MigrationRecord } from './migration-record.js';
import type { Passages } from './passages.js';

/** The rest of the agent, as far as VMs that leave have to do with it. */
export interface DeparturePorts {
  readonly store: JsonStore<MigrationRecord>;
  readonly vms: VmTable;
  readonly transfers: VmTransfers;
  readonly checkpoints: Checkpoints;
  readonly passages: Passages;
  readonly converger: Converger;
  /** When the controller last answered, in ms. */
  readonly heardAtMs: () => number;
  readonly migrationLog: MigrationLog;
  readonly log: Log;
}
