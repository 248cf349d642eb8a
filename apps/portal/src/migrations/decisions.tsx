/** What was done about a migration that did not converge, with the figures of each time and what else there was. */
import type { DecisionFigures, MigrationDecision, MigrationDetail, MigrationStatus } from '#contracts';
import { type Column, DataTable } from '../parts/data-table.js';
import { duration, rate } from '../parts/figures.js';
import { Clock } from '../parts/when.js';
import { meansText } from '../policies/means-words.js';

type Candidate = DecisionFigures['candidates'][number];

const outcomeOf = ({ failure, restarted }: MigrationDecision) =>
  failure === null ? (restarted ? 'begun anew with it' : 'applied') : `not applied: ${failure}`;

/** What can be said while nothing was done: only its end shows that pre-copy alone was enough. */
const withoutDecisions: Partial<Record<MigrationStatus, string>> = {
  completed: 'Nothing had to be done: pre-copy alone was enough.',
  failed: 'Nothing was done before it failed.',
  cancelled: 'Nothing was done before it was cancelled.',
};

export function Decisions({ decisions, status }: Pick<MigrationDetail, 'decisions' | 'status'>) {
  if (decisions.length === 0)
    return <p className="quiet">{withoutDecisions[status] ?? 'Nothing has had to be done so far.'}</p>;
  return (
    <ol className="timeline decisions" aria-label="Decisions">
      {decisions.map((decision) => {
        const { number, at, by, reason, figures, failure } = decision;
        const { bandwidthMiBps, dirtyRateMiBps, leftMs } = figures;
        return (
          <li key={number}>
            <b className={failure === null ? undefined : 'tone-warn'}>{meansText(decision)}</b>
            <span className="timeline-time">
              <Clock at={at} /> <span className="subtle">by the {by}</span>
            </span>
            <span className="timeline-message subtle">{reason}</span>
            <span className="timeline-message subtle">
              {outcomeOf(decision)}
              {dirtyRateMiBps !== null && `; ${rate(dirtyRateMiBps)} dirtied`}
              {bandwidthMiBps !== null && ` against ${rate(bandwidthMiBps)}`}
              {leftMs > 0 && `, ${duration(leftMs)} to the deadline`}
            </span>
            <div className="timeline-message">
              <DataTable
                label={`What decision ${number} was taken from`}
                rows={figures.candidates}
                columns={CANDIDATES}
                rowKey={({ means }) => means}
                empty={null}
              />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

const expected = (ms: number | null, otherwise: string) => (ms === null ? otherwise : duration(ms));

const CANDIDATES: readonly Column<Candidate>[] = [
  { title: 'Means', render: (each) => (each.verdict === '' ? <b>{meansText(each)}</b> : meansText(each)) },
  { title: 'Ends in', align: 'right', render: ({ totalMs }) => expected(totalMs, 'never') },
  { title: 'Pause', align: 'right', render: ({ downtimeMs }) => expected(downtimeMs, '–') },
  { title: 'Guest loses', align: 'right', render: ({ lostMs }) => expected(lostMs, '–') },
  { title: 'Verdict', render: ({ verdict }) => <span className="subtle">{verdict || 'chosen'}</span> },
];
