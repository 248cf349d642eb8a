/** Figures as people read them. */
import type { HostState } from './host-state.js';

/** Sums of fractions differ in the last digits with their order; what differs by less is equal. */
export const ROUNDING = 1e-9;

export const percent = (value: number): string => `${Math.max(0, Math.round(value))} %`;

export const points = (value: number): string => value.toFixed(1);

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

export function loadOf(host: HostState): string {
  const known = `CPU ${percent(host.cpuPercent)}, memory ${percent(host.memoryPercent)}`;
  if (host.networkPercent === null) return known;
  const unknown = host.unmetered > 0 ? `, that of ${count(host.unmetered, 'VM')} unknown` : '';
  return `${known}, network ${percent(host.networkPercent)}${unknown}`;
}
