/** Figures as people read them. */
import type { Means } from '#contracts';

export const timeText = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;

export const bytesText = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const rateText = (bytesPerMs: number): string => `${((bytesPerMs * 1000) / 2 ** 20).toFixed(1)} MiB/s`;

export function meansText({ means, value }: { means: Means; value: number | null }): string {
  switch (means) {
    case 'multifd':
      return `${value} connections`;
    case 'compression':
      return `compression by ${value} threads`;
    case 'xbzrle':
      return `XBZRLE with a cache of ${value} MiB`;
    case 'downtime_limit':
      return `a downtime limit of ${value} ms`;
    case 'throttle':
      return `vCPUs throttled by ${value} %`;
    case 'cpu_limit':
      return `${value} % of its CPU taken from the VM`;
    case 'offline_vcpus':
      return `${value} vCPUs offline`;
    case 'post_copy':
      return 'post-copy';
    case 'suspend':
      return 'the guest stopped while the rest is sent';
  }
}
