/** Figures as people read them: three significant digits at most, always with their unit. */

const digits = (value: number, unit: string) => {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(places).replace(/\.0+$/, '')} ${unit}`;
};

export const MIB = 2 ** 20;

/** 512 MiB, 1.5 GiB. */
export function mebibytes(mib: number): string {
  if (Math.abs(mib) >= 2 ** 20) return digits(mib / 2 ** 20, 'TiB');
  return Math.abs(mib) >= 1024 ? digits(mib / 1024, 'GiB') : digits(mib, 'MiB');
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  return count < MIB ? digits(count / 1024, 'KiB') : mebibytes(count / MIB);
}

export const rate = (mibps: number) => digits(mibps, 'MiB/s');

export const cores = (count: number) => count.toFixed(2).replace(/\.?0+$/, '');

/** 0.8 ms, 84 ms, 3.2 s, 2 min 5 s, 3 h 12 min. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1).replace(/\.0$/, '')} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0).replace(/\.0$/, '')} s`;
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
  const [hours, minutesLeft] = [Math.floor(minutes / 60), minutes % 60];
  return minutesLeft === 0 ? `${hours} h` : `${hours} h ${minutesLeft} min`;
}

/** Of what is only reckoned, in whole seconds. */
export const roughly = (seconds: number): string =>
  seconds < 1 ? 'less than a second' : duration(Math.round(seconds) * 1000);

/** just now, 12 s ago, 4 min ago, 3 h ago, 2 d ago; "in 12 s" for what is to come. */
export function relative(at: number, now: number): string {
  const seconds = Math.round(Math.abs(now - at) / 1000);
  if (seconds < 2) return 'just now';
  const text =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min`
        : seconds < 86_400
          ? `${Math.floor(seconds / 3600)} h`
          : `${Math.floor(seconds / 86_400)} d`;
  return at > now ? `in ${text}` : `${text} ago`;
}

export const percentOf = (used: number, capacity: number) =>
  capacity > 0 ? Math.min(100, Math.max(0, (used / capacity) * 100)) : 0;

export const plural = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/**
 * Time until the remaining bytes fit, at the present rates: what is sent less what the guest writes again.
 * null: the guest writes as fast as the link carries, so there is no end to tell.
 */
export function remainingMs(remainingBytes: number, bandwidthMiBps: number, dirtyRateMiBps: number): number | null {
  const gain = bandwidthMiBps - dirtyRateMiBps;
  return gain > 0 ? (remainingBytes / MIB / gain) * 1000 : null;
}
