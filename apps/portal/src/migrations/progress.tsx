/** How far a running migration is. */
import type { MigrationView } from '#contracts';
import { isActive } from '../live/inventory.js';
import { bytes, duration, percentOf, rate, remainingMs } from '../parts/figures.js';
import { migrationStatusWord } from '../parts/status.js';

export function MigrationProgressBar({ migration }: { migration: MigrationView }) {
  const { progress, vmName, status } = migration;
  const sent = progress ? 100 - percentOf(progress.remainingBytes, progress.totalBytes) : 0;
  const percent = status === 'completed' ? 100 : sent;
  return (
    <div
      className={`progress ${progress ? '' : 'progress-waits'}`}
      role="progressbar"
      aria-label={`Migration of ${vmName}`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
      aria-valuetext={progress ? `${Math.round(percent)} percent sent` : migrationStatusWord(status)}
    >
      <div className="progress-fill" style={{ inlineSize: `${percent}%` }} />
    </div>
  );
}

/** Remaining, bandwidth against dirty rate, and when it ends; for one that has ended what it took. */
export function ProgressFigures({ migration }: { migration: MigrationView }) {
  const { progress, status, totalMs, downtimeMs } = migration;
  if (!isActive(migration))
    return (
      <span className="progress-figures">
        <span>{migrationStatusWord(status)}</span>
        {progress && (
          <span>
            <b>{bytes(progress.transferredBytes)}</b> sent
          </span>
        )}
        {progress && (progress.savedPages ?? 0) > 0 && (
          <span title="The destination had these from an earlier stay of the VM.">
            <b>{progress.savedPages!.toLocaleString()}</b> pages saved
          </span>
        )}
        {totalMs !== null && (
          <span>
            in <b>{duration(totalMs)}</b>
          </span>
        )}
        {downtimeMs !== null && (
          <span>
            guest paused for <b>{duration(downtimeMs)}</b>
          </span>
        )}
      </span>
    );
  if (!progress) return <span className="subtle">{migrationStatusWord(status)}; nothing is sent yet</span>;
  const left = remainingMs(progress.remainingBytes, progress.bandwidthMiBps, progress.dirtyRateMiBps);
  return (
    <span className="progress-figures">
      <span>
        <b>{bytes(progress.remainingBytes)}</b> of {bytes(progress.totalBytes)} left
      </span>
      {progress.disks && progress.disks.remainingBytes > 0 && (
        <span title="disks that the destination does not see are copied first">
          <b>{bytes(progress.disks.remainingBytes)}</b> of disks left
        </span>
      )}
      <span>
        pass <b>{progress.iteration}</b>
      </span>
      <span title="bandwidth of the migration, against what the guest writes meanwhile">
        <b>{rate(progress.bandwidthMiBps)}</b> against <b>{rate(progress.dirtyRateMiBps)}</b> dirtied
      </span>
      {left === null ? (
        <span className="tone-warn" title="The guest writes as fast as the link carries.">
          does not converge
        </span>
      ) : (
        <span>
          about <b>{duration(left)}</b>
        </span>
      )}
    </span>
  );
}
