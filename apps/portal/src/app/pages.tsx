/** Which address shows which page. */
import { createBrowserRouter, RouterProvider, useRouteError } from 'react-router';
import { DashboardPage } from '../dashboard/dashboard-page.js';
import { EnergyPage } from '../energy/energy-page.js';
import { EventsPage } from '../events/events-page.js';
import { HostPage } from '../hosts/host-page.js';
import { HostsPage } from '../hosts/hosts-page.js';
import { MaintenancePage } from '../maintenance/maintenance-page.js';
import { MaintenanceRunPage } from '../maintenance/run-page.js';
import { MigrationPage } from '../migrations/migration-page.js';
import { MigrationsPage } from '../migrations/migrations-page.js';
import { Nothing, ProblemAlert } from '../parts/feedback.js';
import { LinkButton } from '../parts/link-button.js';
import { DecisionPage } from '../policies/decision-page.js';
import { DecisionsPage } from '../policies/decisions-page.js';
import { PoliciesPage } from '../policies/policies-page.js';
import { StoragePage } from '../storage/storage-page.js';
import { VmPage } from '../vms/vm-page.js';
import { VmsPage } from '../vms/vms-page.js';
import { Shell } from './shell.js';

function BrokenPage() {
  return <ProblemAlert error={useRouteError()} onRetry={() => window.location.reload()} />;
}

function UnknownPage() {
  return (
    <Nothing title="There is no such page" action={<LinkButton to="/">Dashboard</LinkButton>}>
      The address may be mistyped, or from an older version.
    </Nothing>
  );
}

const router = createBrowserRouter([
  {
    element: <Shell />,
    children: [
      {
        errorElement: <BrokenPage />,
        children: [
          { path: '/', element: <DashboardPage /> },
          { path: '/hosts', element: <HostsPage /> },
          { path: '/hosts/:id', element: <HostPage /> },
          { path: '/vms', element: <VmsPage /> },
          { path: '/vms/:id', element: <VmPage /> },
          { path: '/storage', element: <StoragePage /> },
          { path: '/migrations', element: <MigrationsPage /> },
          { path: '/migrations/:id', element: <MigrationPage /> },
          { path: '/maintenance', element: <MaintenancePage /> },
          { path: '/maintenance/:id', element: <MaintenanceRunPage /> },
          { path: '/policies', element: <PoliciesPage /> },
          { path: '/decisions', element: <DecisionsPage /> },
          { path: '/decisions/:id', element: <DecisionPage /> },
          { path: '/energy', element: <EnergyPage /> },
          { path: '/events', element: <EventsPage /> },
          { path: '*', element: <UnknownPage /> },
        ],
      },
    ],
  },
]);

export const Pages = () => <RouterProvider router={router} />;
