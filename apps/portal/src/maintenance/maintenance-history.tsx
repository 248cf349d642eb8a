import { Link } from 'react-router';
import { When } from '../parts/when.js';
import { PhaseLabel } from './phase-label.js';
import { useMaintenanceRuns } from './use-maintenance.js';

/** A host's latest ways into maintenance and out of it. */
export function MaintenanceHistory({ hostId }: { hostId: string }) {
  const { data = [] } = useMaintenanceRuns(hostId);
  if (data.length === 0) return <p className="quiet">It has not gone through maintenance yet.</p>;
  return (
    <ul className="fates">
      {data.map(({ id, phase, reason, phaseReason, phaseSince }) => (
        <li key={id}>
          <PhaseLabel phase={phase} /> <Link to={`/maintenance/${id}`}>{reason}</Link> <When at={phaseSince} />
          <div className="subtle">{phaseReason}</div>
        </li>
      ))}
    </ul>
  );
}
