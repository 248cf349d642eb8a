import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { MaintenanceRunView } from '#contracts';
import { type Column, DataTable } from '../parts/data-table.js';
import { roughly } from '../parts/figures.js';
import { When } from '../parts/when.js';
import { PhaseLabel } from './phase-label.js';

const columns: Column<MaintenanceRunView>[] = [
  {
    title: 'Host',
    render: ({ id, hostName }) => <Link to={`/maintenance/${id}`}>{hostName}</Link>,
    sortBy: ({ hostName }) => hostName,
  },
  { title: 'Phase', render: ({ phase }) => <PhaseLabel phase={phase} />, sortBy: ({ phase }) => phase },
  {
    title: 'Now',
    render: ({ phaseReason }) => <span className="cell-reason subtle">{phaseReason}</span>,
  },
  {
    title: 'VMs gone',
    render: ({ progress: { vmsGone, vmsTotal, etaSeconds } }) =>
      `${vmsGone} of ${vmsTotal}${etaSeconds ? `, about ${roughly(etaSeconds)} left` : ''}`,
    align: 'right',
  },
  { title: 'Group', render: ({ group }) => group, sortBy: ({ group }) => group, align: 'right', priority: 'low' },
  {
    title: 'Why',
    render: ({ reason, policyName }) => (
      <span className="cell-reason subtle">{policyName ? `${policyName}: ${reason}` : reason}</span>
    ),
    priority: 'medium',
  },
  {
    title: 'Since',
    render: ({ phaseSince }) => <When at={phaseSince} />,
    sortBy: ({ phaseSince }) => phaseSince,
    priority: 'medium',
  },
];

export const RunTable = ({ runs, empty }: { runs: readonly MaintenanceRunView[]; empty: ReactNode }) => (
  <DataTable label="Maintenance of hosts" rows={runs} columns={columns} rowKey={({ id }) => id} empty={empty} />
);
