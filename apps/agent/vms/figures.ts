/** Measures the VMs of this host for the heartbeat. A VM that does not answer has its last known state. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConsoleTail } from '#hypervisor';
import type { ProcessMeter } from '../host/measure.js';
import type { Log } from '../log.js';
import { GuestWatch } from './guest-watch.js';
import { NO_FIGURES, type VmFigures } from './report.js';
import type { VmRecord } from './vm-record.js';
import type { VmTable } from './vm-table.js';

const CONSOLE_TAIL_BYTES = 4096;
/** A VM that does not answer in time must not hold up the news of the others. */
const PATIENCE_MS = 500;

export class VmMeter {
  private readonly guests: GuestWatch;

  constructor(
    private readonly vms: VmTable,
    private readonly processes: ProcessMeter,
    private readonly log: Log,
  ) {
    this.guests = new GuestWatch((vmId, reason) => log.debug({ vmId }, `nothing new of the guest: ${reason}`));
  }

  /** All but the network, which the switch knows. */
  async measure(record: VmRecord, nowMs: number): Promise<Omit<VmFigures, 'networkUsedMiBps'>> {
    const { vmId, process: handle, phase } = record;
    if (phase === 'gone' || !handle) return NO_FIGURES;
    const consoleTail = await readConsoleTail(handle.consoleLog, CONSOLE_TAIL_BYTES).catch(() => '');
    const process = this.vms.process(vmId);
    if (!process) {
      this.processes.forget(handle.pid);
      return { ...NO_FIGURES, consoleTail };
    }
    const use = await this.processes.read(handle.pid, nowMs);
    const guest = this.guests.report(vmId, process.guestAgent, nowMs);
    try {
      const arrival = phase === 'incoming' ? process.queryIncoming() : null;
      const answers = Promise.all([process.runState(), process.dirtyRateMiBps(), arrival]);
      const [runState, dirtyRateMiBps, incoming] = await Promise.race([answers, tooLate()]);
      const isLoaded = incoming?.status === 'loaded';
      return { ...use, consoleTail, guest, runState, isLoaded, dirtyRateMiBps: dirtyRateMiBps ?? 0 };
    } catch (error) {
      this.log.debug({ vmId }, `no figures this time: ${(error as Error).message}`);
      return { ...NO_FIGURES, ...use, consoleTail, guest };
    }
  }
}

async function tooLate(): Promise<never> {
  await sleep(PATIENCE_MS, undefined, { ref: false });
  throw new Error(`no answer within ${PATIENCE_MS} ms`);
}
