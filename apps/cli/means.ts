/** Means against guests that do not converge, as people type and read them. */
import { z } from 'zod';
import { Convergence, type MigrationDecision } from '#contracts';
import { UsageError } from './failure.js';

const UNITS: Partial<Record<MigrationDecision['means'], string>> = {
  multifd: 'connections',
  compression: 'threads',
  xbzrle: 'MiB',
  downtime_limit: 'ms',
  throttle: '%',
  cpu_limit: '%',
  offline_vcpus: 'vCPUs',
};

/** Such as `throttle 70 %`. */
export const meansText = ({ means, value }: Pick<MigrationDecision, 'means' | 'value'>): string =>
  value === null ? means : `${means} ${value} ${UNITS[means] ?? ''}`.trim();

/** Such as `predictive: throttle, post_copy`. */
export const convergenceText = ({ mode, means }: Convergence): string =>
  means.length === 0 ? 'none' : `${mode}: ${means.map((each) => each.means).join(', ')}`;

interface ConvergenceOptions {
  readonly deadline?: number;
  readonly mode?: Convergence['mode'];
  readonly means?: string;
}

/** What options make of `before`; undefined if they change nothing. Throws UsageError. */
export function changedConvergence(
  before: Convergence,
  { deadline, mode, means }: ConvergenceOptions,
): Convergence | undefined {
  if (deadline === undefined && mode === undefined && means === undefined) return undefined;
  const parsed = Convergence.safeParse({
    mode: mode ?? before.mode,
    deadlineSeconds: deadline ?? before.deadlineSeconds,
    means: means === undefined ? before.means : means.split(',').filter(Boolean).map(parseMeans),
  });
  if (parsed.success) return parsed.data;
  throw new UsageError(`--means: ${z.prettifyError(parsed.error)}`);
}

/** NAME, or NAME:PARAMETER=VALUE:..., values with several numbers joined by +. */
function parseMeans(text: string): Record<string, unknown> {
  const [name, ...parameters] = text.split(':');
  const given = parameters.map((parameter) => {
    const [key = '', value = ''] = parameter.split('=');
    return [key, key === 'stepsMs' ? value.split('+').map(Number) : numberOr(value)] as const;
  });
  return { means: name, ...Object.fromEntries(given) };
}

const numberOr = (text: string): number | string =>
  text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
