/** Reads the host's figures from /proc; what the kernel does not have is null. */
import { readFile } from 'node:fs/promises';
import type { Pressure } from '#contracts';
import { coresBetween, parseProcessStat, pressureOf, residentMiB } from './proc.js';

/** Pressure stall information, or null where the kernel has none (before 4.20, or switched off). */
export async function readPressure(): Promise<Pressure | null> {
  try {
    const [cpu, memory, io] = await Promise.all(
      ['cpu', 'memory', 'io'].map((resource) => readFile(`/proc/pressure/${resource}`, 'utf8')),
    );
    return pressureOf({ cpu: cpu!, memory: memory!, io: io! });
  } catch {
    return null; // absent, or EOPNOTSUPP when booted with psi=0
  }
}

export interface ProcessUse {
  readonly cpuUsedCores: number;
  readonly memoryUsedMiB: number;
}

/** CPU and memory of processes; CPU since the last reading of the same process. */
export class ProcessMeter {
  private readonly readings = new Map<number, { startTime: string; cpuTicks: number; atMs: number }>();

  /** Zeros for a process that has ended. */
  async read(pid: number, nowMs: number): Promise<ProcessUse> {
    let text: string;
    try {
      text = await readFile(`/proc/${pid}/stat`, 'utf8');
    } catch {
      this.readings.delete(pid);
      return { cpuUsedCores: 0, memoryUsedMiB: 0 };
    }
    const stat = parseProcessStat(text);
    const last = this.readings.get(pid);
    const reading = { startTime: stat.startTime, cpuTicks: stat.cpuTicks, atMs: nowMs };
    this.readings.set(pid, reading);
    return {
      cpuUsedCores: coresBetween(last?.startTime === stat.startTime ? last : undefined, reading),
      memoryUsedMiB: residentMiB(stat),
    };
  }

  forget(pid: number): void {
    this.readings.delete(pid);
  }
}
