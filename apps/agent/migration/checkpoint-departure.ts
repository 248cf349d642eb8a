/** Of the memory of a VM that has left: whether it is wanted here, and how far it is. */
import type { VmProcess } from '#hypervisor';
import type { MigrationRecord } from './migration-record.js';
import type { CheckpointState } from './next-step.js';

export async function checkpointState(
  { order, checkpoint }: MigrationRecord,
  process: VmProcess | undefined,
): Promise<CheckpointState> {
  const isWanted = order.checkpointLimitMiB > 0 && order.spec.hypervisor !== 'qemu';
  if (!isWanted) return 'over';
  if (!checkpoint) return process ? 'wanted' : 'over';
  if (!process) return 'writing'; // it has not answered since this agent began
  try {
    const { status } = await process.queryCheckpoint();
    return status === 'writing' ? 'writing' : 'over';
  } catch {
    return 'over'; // its program knows no checkpoints, or it has just ended
  }
}
