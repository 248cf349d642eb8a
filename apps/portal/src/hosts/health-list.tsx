import type { HealthState, HostHealth } from '#contracts';
import { ErrorIcon, OkIcon, WarningIcon } from '../parts/icons.js';
import { When } from '../parts/when.js';

const LOOKS: Record<HealthState, { tone: string; icon: React.ComponentType }> = {
  failed: { tone: 'bad', icon: ErrorIcon },
  warning: { tone: 'warn', icon: WarningIcon },
  ok: { tone: 'ok', icon: OkIcon },
};

/** What was found out about a host's health, the worst first. */
export function HealthList({ health }: { health: HostHealth | null }) {
  if (!health) return <p className="quiet">Its agent has not told of its health yet.</p>;
  const order = Object.keys(LOOKS);
  const checks = health.checks.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return (
    <>
      <ul className="findings">
        {checks.map(({ kind, subject, state, reason }) => {
          const { tone, icon: Icon } = LOOKS[state];
          return (
            <li key={`${kind} ${subject}`} className={`status tone-${tone}`}>
              <Icon />
              <span className="status-word">{reason}</span>
            </li>
          );
        })}
      </ul>
      <p className="subtle">
        Seen <When at={health.at} />
      </p>
    </>
  );
}
