/** Reads the host's figures from /proc; what the kernel does not have is null. */
import { readFile } from 'node:fs/promises';
import type { Pressure } from '#contracts';
import {
  type CpuTimes,
  coresBetween,
  parseCpuTimes,
  parseProcessStat,
  pressureOf,
  residentMiB,
  stolenBetween,
} from './proc.js';

/** Readings of /proc/stat are kept for as long as the kernel's averages go back. */
const KEPT_MS = 10_000;

/** How much the host makes its tasks wait. */
export class PressureMeter {
  private readonly readings: CpuTimes[] = [];
  private readonly most: number;

  /** `intervalMs`: how often it is read. */
  constructor(intervalMs: number) {
    this.most = Math.max(1, Math.round(KEPT_MS / intervalMs));
  }

  /** Null where the kernel has no pressure stall information (before 4.20, or switched off). */
  async read(): Promise<Pressure | null> {
    try {
      const [cpu, memory, io, stat] = await Promise.all(
        ['pressure/cpu', 'pressure/memory', 'pressure/io', 'stat'].map((file) => readFile(`/proc/${file}`, 'utf8')),
      );
      const now = parseCpuTimes(stat!);
      const stealPercent = stolenBetween(this.readings[0] ?? now, now);
      this.readings.push(now);
      if (this.readings.length > this.most) this.readings.shift();
      return pressureOf({ cpu: cpu!, memory: memory!, io: io! }, stealPercent);
    } catch {
      return null; // absent, or EOPNOTSUPP when booted with psi=0
    }
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
