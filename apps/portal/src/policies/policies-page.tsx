import { Button, Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { Nothing } from '../parts/feedback.js';
import { AddIcon, PolicyIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { AffinityGroups } from './affinity-groups.js';
import { ClusterDialog } from './cluster-dialog.js';
import { ClusterPicker, useCluster } from './cluster-picker.js';
import { ClusterSettings } from './cluster-settings.js';
import { MigrationPolicies } from './migration-policies.js';
import { ScheduleEditor } from './policy-schedule.js';
import { ClusterVersions } from './policy-versions.js';
import { SchedulingEditor } from './scheduling-editor.js';
import { WhatIfPanel } from './what-if.js';

export function PoliciesPage() {
  const cluster = useCluster();
  const [query, setQuery] = useSearchParams();
  const [creates, setCreates] = useState(false);
  const tab = query.get('tab') ?? 'scheduling';
  const show = (name: string | number) =>
    setQuery(
      (before) => {
        before.set('tab', String(name));
        return before;
      },
      { replace: true },
    );
  const create = (
    <Button variant="secondary" icon={<AddIcon />} onClick={() => setCreates(true)}>
      Create cluster
    </Button>
  );
  return (
    <PageFrame
      title="Policies"
      description="Where VMs should run, and how they get there."
      actions={
        <>
          <ClusterPicker />
          {create}
        </>
      }
    >
      <Tabs activeKey={tab} onSelect={(_, name) => show(name)} aria-label="Kinds of policies">
        <Tab eventKey="scheduling" title={<TabTitleText>Scheduling</TabTitleText>}>
          {cluster ? (
            <div className="stack">
              <SchedulingEditor key={cluster.id} cluster={cluster} />
              <ScheduleEditor cluster={cluster} />
              <ClusterVersions cluster={cluster} />
            </div>
          ) : (
            <Nothing title="No cluster yet" icon={PolicyIcon} action={create}>
              A scheduling policy belongs to a cluster.
            </Nothing>
          )}
        </Tab>
        <Tab eventKey="what-if" title={<TabTitleText>What if</TabTitleText>}>
          {tab === 'what-if' && cluster && <WhatIfPanel key={cluster.id} cluster={cluster} />}
        </Tab>
        <Tab eventKey="affinity" title={<TabTitleText>Affinity</TabTitleText>}>
          {tab === 'affinity' && cluster && <AffinityGroups key={cluster.id} cluster={cluster} />}
        </Tab>
        <Tab eventKey="cluster" title={<TabTitleText>Cluster</TabTitleText>}>
          {cluster ? (
            <ClusterSettings key={cluster.id} cluster={cluster} />
          ) : (
            <Nothing title="No cluster yet" icon={PolicyIcon} action={create}>
              A cluster is a group of hosts among which VMs may move.
            </Nothing>
          )}
        </Tab>
        <Tab eventKey="migration" title={<TabTitleText>Migration policies</TabTitleText>}>
          <MigrationPolicies />
        </Tab>
      </Tabs>
      {creates && <ClusterDialog onClose={() => setCreates(false)} />}
    </PageFrame>
  );
}
