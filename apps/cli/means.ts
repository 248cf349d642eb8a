/** Means against guests that do not converge, as people type and read them. */
import { z } from 'zod';
import { Convergence, type MigrationDecision, type MigrationPrediction } from '#contracts';
import { UsageError } from './failure.js';
import { ago, ms, table } from './table.js';

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

/** Such as `850 ms with a pause of 12 ms, by throttle 70 % (measured 5 min ago)`. */
export function moveText({ at, totalMs, downtimeMs, means }: MigrationPrediction, nowMs: number): string {
  const by = means.length === 0 ? '' : `, by ${means.map(meansText).join(', ')}`;
  const what = totalMs === null ? 'would not end' : `${ms(totalMs)} with a pause of ${ms(downtimeMs)}`;
  return `${what}${by} (measured ${ago(at, nowMs)} ago)`;
}

/** What each decision was taken from: when the migration would end by each means, and what that would cost the guest. */
export function candidatesTable(decisions: readonly MigrationDecision[]): string {
  const rows = decisions.flatMap(({ number, figures }) =>
    figures.candidates.map(({ verdict, totalMs, downtimeMs, lostMs, ...each }) => [
      number,
      meansText(each),
      totalMs === null ? 'never' : ms(totalMs),
      ms(downtimeMs),
      ms(lostMs),
      verdict || 'chosen',
    ]),
  );
  return table(['DECISION', 'MEANS', 'ENDS IN', 'PAUSE', 'GUEST LOSES', 'VERDICT'], rows);
}

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
