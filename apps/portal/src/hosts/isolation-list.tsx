import type { IsolationMeasure } from '#contracts';
import { OkIcon, WarningIcon } from '../parts/icons.js';

const WORDS: Record<IsolationMeasure['measure'], string> = {
  own_user: 'A user of its own for each VM',
  own_files: 'A VM sees its own files alone',
  no_new_privileges: 'No new privileges',
  system_calls: 'System calls of a VMM alone',
  limits: 'Limits of memory, CPU and threads',
};

/** What keeps the processes of VMs apart on a host; what is not in force, with its reason. */
export function IsolationList({ isolation }: { isolation: readonly IsolationMeasure[] | null }) {
  if (!isolation) return 'not known yet';
  return (
    <ul className="findings">
      {isolation.map(({ measure, inForce, reason }) => (
        <li key={measure} className={`status tone-${inForce ? 'ok' : 'warn'}`}>
          {inForce ? <OkIcon /> : <WarningIcon />}
          <span className="status-word">
            {WORDS[measure]}
            {!inForce && `: no, ${reason}`}
          </span>
        </li>
      ))}
    </ul>
  );
}
