/** What Linux tells in /proc: pure readings of its files' text (proc(5), and Documentation/accounting/psi.rst). */
import type { Pressure } from '#contracts';

export interface ProcessStat {
  /** User and system time of all threads, in clock ticks. */
  readonly cpuTicks: number;
  /** Start, in clock ticks since boot. */
  readonly startTime: string;
  readonly residentPages: number;
}

/** Linux reports times to userspace in units of 1/100 s on every architecture that Node.js runs on. */
export const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** /proc/PID/stat. The command's name is in parentheses and may itself contain any character: fields follow the last one. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, startTime, rss] = [fields[11], fields[12], fields[19], fields[21]];
  if (!startTime || rss === undefined) throw new Error(`not a /proc/PID/stat: ${text.slice(0, 80)}`);
  return { cpuTicks: Number(utime) + Number(stime), startTime, residentPages: Number(rss) };
}

export const residentMiB = ({ residentPages }: ProcessStat): number => (residentPages * PAGE_BYTES) / 2 ** 20;

/** `some avg10` of one file of /proc/pressure: percent of the last 10 s in which some task waited. */
export function parsePressure(text: string): number {
  const match = /^some avg10=([\d.]+)/m.exec(text);
  if (!match) throw new Error(`not a pressure file: ${text.slice(0, 80)}`);
  return Number(match[1]);
}

export const pressureOf = (files: { cpu: string; memory: string; io: string }, stealPercent: number): Pressure => ({
  cpuSomePercent: parsePressure(files.cpu),
  memorySomePercent: parsePressure(files.memory),
  ioSomePercent: parsePressure(files.io),
  stealPercent,
});

/** Time of all CPUs since boot, and what of it a hypervisor below has taken, in clock ticks. */
export interface CpuTimes {
  readonly totalTicks: number;
  readonly stolenTicks: number;
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal; guest times are within user and nice. */
export function parseCpuTimes(text: string): CpuTimes {
  const match = /^cpu +([\d ]+)$/m.exec(text);
  if (!match) throw new Error(`not a /proc/stat: ${text.slice(0, 80)}`);
  const ticks = match[1]!.split(' ').map(Number).slice(0, 8);
  return { totalTicks: ticks.reduce((sum, each) => sum + each, 0), stolenTicks: ticks[7] ?? 0 };
}

/** Percent of the time between two readings that was stolen. */
export function stolenBetween(before: CpuTimes, now: CpuTimes): number {
  const total = now.totalTicks - before.totalTicks;
  return total <= 0 ? 0 : Math.max(0, (100 * (now.stolenTicks - before.stolenTicks)) / total);
}

/** Cores in use between two readings of the same process. */
export function coresBetween(
  before: { cpuTicks: number; atMs: number } | undefined,
  now: { cpuTicks: number; atMs: number },
): number {
  if (!before || now.atMs <= before.atMs) return 0;
  return Math.max(0, ((now.cpuTicks - before.cpuTicks) / TICKS_PER_SECOND / (now.atMs - before.atMs)) * 1000);
}
