import { Button, Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { MaintenanceIcon } from '../parts/icons.js';
import { PageFrame, Panel } from '../parts/page.js';
import { BeginDialog } from './begin-dialog.js';
import { MaintenanceCalendar } from './calendar.js';
import { hasEnded } from './phase-label.js';
import { MaintenancePolicies } from './policies.js';
import { RunTable } from './run-table.js';
import { useMaintenanceRuns } from './use-maintenance.js';

export function MaintenancePage() {
  const [query, setQuery] = useSearchParams();
  const [begins, setBegins] = useState(false);
  const tab = query.get('tab') ?? 'runs';
  return (
    <PageFrame
      title="Maintenance"
      description="Hosts that are emptied, acted on, checked and put back to work, by policies or by hand."
      actions={
        <Button variant="secondary" icon={<MaintenanceIcon />} onClick={() => setBegins(true)}>
          Begin maintenance…
        </Button>
      }
    >
      <Tabs
        activeKey={tab}
        onSelect={(_, name) => setQuery({ tab: String(name) }, { replace: true })}
        aria-label="Parts of maintenance"
      >
        <Tab eventKey="runs" title={<TabTitleText>Hosts</TabTitleText>}>
          {tab === 'runs' && <Runs />}
        </Tab>
        <Tab eventKey="calendar" title={<TabTitleText>Calendar</TabTitleText>}>
          {tab === 'calendar' && <MaintenanceCalendar />}
        </Tab>
        <Tab eventKey="policies" title={<TabTitleText>Policies</TabTitleText>}>
          {tab === 'policies' && <MaintenancePolicies />}
        </Tab>
      </Tabs>
      {begins && <BeginDialog onClose={() => setBegins(false)} />}
    </PageFrame>
  );
}

function Runs() {
  const { data, error, refetch } = useMaintenanceRuns();
  if (error && !data) return <ProblemAlert error={error} onRetry={() => void refetch()} />;
  if (!data) return <LoadingPage />;
  return (
    <div className="panels">
      <Panel title="Under way">
        <RunTable
          runs={data.filter(({ phase }) => !hasEnded(phase))}
          empty={
            <Nothing title="No host is on its way into maintenance" icon={MaintenanceIcon}>
              <Link to="/maintenance?tab=policies">Maintenance policies</Link> begin by themselves when a window opens
              or a host is not well; by hand it begins above, or with a host’s own actions.
            </Nothing>
          }
        />
      </Panel>
      <Panel title="Ended">
        <RunTable
          runs={data.filter(({ phase }) => hasEnded(phase))}
          empty={<p className="quiet">None has ended yet.</p>}
        />
      </Panel>
    </div>
  );
}
