/** What was done about a migration that did not converge, with the figures of each time. */
import type { MigrationDecision, MigrationDetail, MigrationStatus } from '#contracts';
import { duration, rate } from '../parts/figures.js';
import { Clock } from '../parts/when.js';
import { meansText } from '../policies/means-words.js';

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
    <ol className="timeline" aria-label="Decisions">
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
            {figures.candidates
              .filter(({ verdict }) => verdict !== '')
              .map((candidate) => (
                <span key={candidate.means} className="timeline-message subtle">
                  {meansText(candidate)}: {candidate.verdict}
                </span>
              ))}
          </li>
        );
      })}
    </ol>
  );
}
