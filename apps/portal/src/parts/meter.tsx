/** A bar that says how much of something is used, with the figures beside it. */
import { percentOf } from './figures.js';

interface MeterProps {
  /** For screen readers, such as "CPU of host-1". */
  readonly label: string;
  readonly used: number | null;
  readonly capacity: number | null;
  readonly format: (value: number) => string;
  readonly unit?: string;
  readonly kind: 'cpu' | 'memory';
  /** Marks much use as something to look at: right for a host, not for a busy guest. */
  readonly marksHigh?: boolean;
}

/** From here on a bar is marked as high, in colour and with a word. */
const HIGH_PERCENT = 80;

export function Meter({ label, used, capacity, format, unit, kind, marksHigh }: MeterProps) {
  if (used === null || capacity === null)
    return (
      <div className="meter">
        <div className="meter-track" />
        <span className="meter-figures subtle">no figures yet</span>
      </div>
    );
  const percent = percentOf(used, capacity);
  const high = marksHigh === true && percent >= HIGH_PERCENT;
  const figures = `${format(used)} / ${format(capacity)}${unit ? ` ${unit}` : ''}`;
  return (
    <div className="meter">
      <div
        className={`meter-track meter-${kind} ${high ? 'meter-high' : ''}`}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={capacity}
        aria-valuenow={Math.min(used, capacity)}
        aria-valuetext={figures}
      >
        <div className="meter-fill" style={{ inlineSize: `${percent}%` }} />
      </div>
      <span className="meter-figures" title={high ? `high: ${percent.toFixed(0)} % in use` : undefined}>
        {high && <span className="tone-warn meter-mark">high </span>}
        {figures}
      </span>
    </div>
  );
}
