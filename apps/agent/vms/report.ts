/** From what is known of a VM to what the heartbeat says of it: pure. */
import type { GuestReport, VmReport } from '#contracts';
import type { RunState, VmEnd } from '#hypervisor';
import type { EndReport, VmRecord } from './vm-record.js';

/** What was measured of a VM's process; null: there is none, or it did not answer. */
export interface VmFigures {
  readonly cpuUsedCores: number;
  readonly memoryUsedMiB: number;
  readonly dirtyRateMiBps: number;
  /** Null: not known. */
  readonly networkUsedMiBps: number | null;
  readonly consoleTail: string;
  /** What the guest says of itself. */
  readonly guest: GuestReport | null;
  readonly runState: RunState | null;
  /** Of a VM that arrives: all of it is here, and nothing runs yet. */
  readonly isLoaded: boolean;
}

export const NO_FIGURES: VmFigures = {
  cpuUsedCores: 0,
  memoryUsedMiB: 0,
  dirtyRateMiBps: 0,
  networkUsedMiBps: null,
  consoleTail: '',
  guest: null,
  runState: null,
  isLoaded: false,
};

/** A VM that its process has stopped for an error of a disk. */
const isHeld = (runState: RunState | null): boolean => runState?.status === 'io-error';
const HELD = 'held, because a disk cannot be written: make room in its storage domain, then resume it';

/** What contracts allow. */
const MAX_CONSOLE_CHARACTERS = 4096;

/** How a VM's end is told. `asked`: it was ended by order, with these words. */
export function describeEnd(end: VmEnd, asked: string | null): EndReport {
  const { exitCode, signal, byGuest, lastLogLine } = end;
  if (byGuest) {
    const message = exitCode === null ? 'the guest shut down' : `the guest ended with status ${exitCode}`;
    return { status: 'down', exitCode, message };
  }
  if (asked !== null) return { status: 'down', exitCode: null, message: asked };
  const detail = lastLogLine ? `: ${lastLogLine}` : '';
  if (signal !== null) return { status: 'failed', exitCode: null, message: `its process was killed by ${signal}` };
  if (exitCode === null)
    return { status: 'failed', exitCode: null, message: `its process ended, nobody saw how${detail}` };
  if (exitCode === 0) return { status: 'down', exitCode, message: 'its process ended with status 0' };
  return { status: 'failed', exitCode: null, message: `its process ended with status ${exitCode}${detail}` };
}

/** Null: nothing of it is here, so nothing is told. */
export function reportVm(record: VmRecord, figures: VmFigures): VmReport | null {
  const status = statusOf(record, figures);
  if (status === null) return null;
  const { cpuUsedCores, memoryUsedMiB, dirtyRateMiBps, networkUsedMiBps, consoleTail, guest } = figures;
  return {
    vmId: record.vmId,
    epoch: record.epoch,
    status,
    exitCode: record.phase === 'ended' ? (record.end?.exitCode ?? null) : null,
    message: record.phase === 'ended' ? (record.end?.message ?? '') : isHeld(figures.runState) ? HELD : '',
    cpuUsedCores,
    memoryUsedMiB,
    dirtyRateMiBps,
    networkUsedMiBps,
    consoleTail: consoleTail.slice(-MAX_CONSOLE_CHARACTERS),
    guest,
  };
}

function statusOf(record: VmRecord, { runState, isLoaded }: VmFigures): VmReport['status'] | null {
  switch (record.phase) {
    case 'left':
    case 'gone':
      return null;
    case 'ended':
      return record.end?.status ?? 'failed';
    case 'running':
      if (record.leaving) return 'migrating';
      return runState?.status === 'paused' || isHeld(runState) ? 'paused' : 'up';
    case 'incoming':
      return isLoaded ? 'loaded' : 'incoming';
    default:
      return record.phase;
  }
}
