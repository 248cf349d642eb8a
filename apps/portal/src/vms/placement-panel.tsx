/** Why the VM is where it is: what every host is to it. */
import { Alert, Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { HostScore, VmView } from '#contracts';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { Panel } from '../parts/page.js';

const COLUMNS: Column<HostScore>[] = [
  {
    title: 'Host',
    render: ({ hostName, isCurrent }) => (isCurrent ? <b>{hostName}</b> : hostName),
    sortBy: ({ hostName }) => hostName,
  },
  {
    title: 'Score',
    render: ({ score }) => (score === null ? '–' : score.toFixed(1)),
    sortBy: ({ score }) => score ?? Infinity,
    align: 'right',
  },
  { title: 'CPU', render: ({ cpuPercent }) => `${Math.round(cpuPercent)} %`, align: 'right' },
  { title: 'Memory', render: ({ memoryPercent }) => `${Math.round(memoryPercent)} %`, align: 'right' },
  {
    title: 'Network',
    render: ({ networkPercent }) => (networkPercent === null ? 'unknown' : `${Math.round(networkPercent)} %`),
    align: 'right',
  },
  { title: 'What it is to the VM', render: ({ reason, broken }) => [reason, ...broken].join('; ') },
];

/** Asks when told to: the answer is of that moment. */
export function PlacementPanel({ vm }: { vm: VmView }) {
  const { client } = useSession();
  const [isOpen, setOpen] = useState(false);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['placement', vm.id],
    queryFn: () => client.vms.placement(vm.id),
    enabled: isOpen,
    staleTime: 0,
  });
  const ask = () => {
    if (isOpen) void refetch();
    setOpen(true);
  };
  return (
    <Panel
      title="Placement"
      aside={
        <Button variant="secondary" size="sm" onClick={ask} isDisabled={vm.hostId === null} isLoading={isFetching}>
          {isOpen ? 'Ask again' : 'Why is it here?'}
        </Button>
      }
    >
      {!isOpen && <p className="quiet">What every host is to this VM, and why it does not move.</p>}
      {isOpen && error && <ProblemAlert error={error} />}
      {isOpen && isFetching && !data && <LoadingPage />}
      {isOpen && data && (
        <div className="stack">
          <Alert isInline isPlain variant="info" title={data.answer} />
          <DataTable
            label="Hosts"
            rows={data.hosts}
            columns={COLUMNS}
            rowKey={({ hostId }) => hostId}
            empty={<p className="quiet">There is no host.</p>}
          />
          <p className="subtle">The lowest score is the best, by policy {data.policy}.</p>
        </div>
      )}
    </Panel>
  );
}
