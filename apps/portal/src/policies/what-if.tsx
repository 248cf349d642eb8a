/** Asks what another policy would do, without some hosts or with more VMs, beside what the present one does. */
import { Alert, Button, Form } from '@patternfly/react-core';
import { useState } from 'react';
import { z } from 'zod';
import type { ClusterView, PlannedMove, WhatIf, WhatIfView } from '#contracts';
import { NumberField, TextField } from '../forms/fields.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { Panel } from '../parts/page.js';
import { HOST_ACTIONS, ImbalanceBar, LEAST_SCALE, REFUSALS } from './plan-details.js';
import { PolicyFields, usePolicyForm } from './policy-form.js';
import { policyTitle } from './policy-words.js';

type Question = Partial<WhatIf>;

interface Asked {
  readonly isBusy: boolean;
  readonly now?: WhatIfView;
  readonly supposed?: WhatIfView;
  readonly error?: unknown;
}

const Supposed = z.object({
  hostNames: z.string(),
  vmCount: z.number().min(0).max(1000),
  vcpus: z.number().int().min(1).max(1024),
  memoryMiB: z.number().int().min(1),
});

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');

export function WhatIfPanel({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { hosts } = useInventory();
  const policy = usePolicyForm(cluster.schedulingPolicy);
  const form = useForm({ schema: Supposed, initial: { hostNames: '', vmCount: 0, vcpus: 1, memoryMiB: 1024 } });
  const [asked, setAsked] = useState<Asked>({ isBusy: false });

  const ask = async () => {
    const schedulingPolicy = policy.draft();
    if (!schedulingPolicy) return;
    setAsked({ isBusy: true });
    const done = await form.submit(async ({ hostNames, vmCount, vcpus, memoryMiB }) => {
      const withoutHostIds = words(hostNames).map((name) => {
        const host = hosts.find((one) => one.name === name && one.clusterId === cluster.id);
        if (!host) throw new Error(`there is no host ${name} in ${cluster.name}; use names of its hosts`);
        return host.id;
      });
      const vms = Array.from({ length: vmCount }, (_, index) => ({ name: `new-${index + 1}`, vcpus, memoryMiB }));
      const question: Question = { schedulingPolicy, withoutHostIds, vms };
      const [now, supposed] = await Promise.all([
        client.clusters.whatIf(cluster.id, {}),
        client.clusters.whatIf(cluster.id, question),
      ]);
      setAsked({ isBusy: false, now, supposed });
    });
    if (!done) setAsked({ isBusy: false });
  };

  return (
    <div className="policy-columns">
      <Panel title="What if">
        <Form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void ask();
          }}
        >
          {form.problem !== undefined && <ProblemAlert error={form.problem} />}
          <PolicyFields policy={policy} onChoose={policy.choose} />
          <div className="parameters">
            <TextField form={form} name="hostNames" label="Without hosts" help="Names, with commas between them." />
            <NumberField form={form} name="vmCount" label="With more VMs" unit="VMs" />
            <NumberField form={form} name="vcpus" label="vCPUs of each" />
            <NumberField form={form} name="memoryMiB" label="Memory of each" unit="MiB" />
          </div>
          <div className="form-buttons">
            <Button variant="secondary" type="submit" isLoading={asked.isBusy}>
              Ask
            </Button>
            <span className="subtle">Nothing is moved by asking.</span>
          </div>
        </Form>
      </Panel>
      <div className="stack">
        {asked.isBusy && <LoadingPage />}
        {!asked.now && !asked.isBusy && (
          <Panel title="Answer">
            <p className="quiet">What the chosen policy would do stands here, beside what the present one does.</p>
          </Panel>
        )}
        {asked.now && <Answer title={`As it is: ${policyTitle(asked.now.policy.name)}`} answer={asked.now} />}
        {asked.supposed && (
          <Answer title={`As supposed: ${policyTitle(asked.supposed.policy.name)}`} answer={asked.supposed} />
        )}
      </div>
    </div>
  );
}

const MOVES: Column<PlannedMove>[] = [
  { title: 'VM', render: ({ vmName }) => vmName, sortBy: ({ vmName }) => vmName },
  {
    title: 'Route',
    render: ({ sourceHostName, destinationHostName }) => (
      <span className="route">
        {sourceHostName} <ArrowIcon aria-label="to" /> {destinationHostName}
      </span>
    ),
  },
  { title: 'Why', render: ({ reason }) => reason },
];

const PLACEMENTS: Column<WhatIfView['placements'][number]>[] = [
  { title: 'New VM', render: ({ vmName }) => vmName },
  { title: 'Starts on', render: ({ hostName }) => hostName ?? <b>no host</b> },
  { title: 'Why', render: ({ reason }) => reason },
];

const watts = (value: number) => `${Math.round(value).toLocaleString('en')} W`;

function Answer({ title, answer }: { title: string; answer: WhatIfView }) {
  const { summary, imbalanceBefore, imbalanceAfter, wattsBefore, wattsAfter } = answer;
  const { placements, moves, hostActions, refusals } = answer;
  const highest = Math.max(imbalanceBefore, imbalanceAfter, LEAST_SCALE);
  const homeless = placements.filter(({ hostId }) => hostId === null).length;
  return (
    <Panel title={title}>
      <div className="stack">
        <div className="plan-summary">
          <p>{summary}</p>
          <div>
            <ImbalanceBar title="Imbalance now" value={imbalanceBefore} highest={highest} />
            <ImbalanceBar title="after the moves" value={imbalanceAfter} highest={highest} />
            <p className="subtle">
              {wattsBefore === null || wattsAfter === null
                ? 'Power is not known: set the power curves of all hosts.'
                : `Power ${watts(wattsBefore)} now, ${watts(wattsAfter)} after.`}
            </p>
          </div>
        </div>
        {homeless > 0 && (
          <Alert isInline variant="warning" title={`${plural(homeless, 'new VM')} would find no host`} />
        )}
        <DataTable
          label="New VMs"
          rows={placements}
          columns={PLACEMENTS}
          rowKey={({ vmName }) => vmName}
          empty={null}
        />
        <DataTable
          label="Moves"
          rows={moves}
          columns={MOVES}
          rowKey={({ vmId, destinationHostId }) => `${vmId} ${destinationHostId}`}
          empty={<p className="quiet">No VM is moved.</p>}
        />
        <DataTable
          label="Hosts switched"
          rows={hostActions}
          columns={HOST_ACTIONS}
          rowKey={({ hostId }) => hostId}
          empty={null}
        />
        <DataTable
          label="Refusals"
          rows={refusals}
          columns={REFUSALS}
          rowKey={({ vmId, hostId, reason }) => `${vmId} ${hostId} ${reason}`}
          empty={null}
        />
      </div>
    </Panel>
  );
}
