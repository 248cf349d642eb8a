/** Maintenance of the tests' controller: one policy, one run of host-1. */
import {
  CalendarView,
  CancelMaintenanceRun,
  CreateMaintenancePolicy,
  CreateMaintenanceRuns,
  MaintenanceDryRun,
  MaintenancePolicyVersion,
  MaintenancePolicyView,
  MaintenanceReport,
  MaintenanceRunView,
  ReportMaintenance,
  RequestMaintenance,
  UpdateMaintenancePolicy,
  UpdateMaintenanceRun,
} from '#contracts';
import { at, type Exchange, found, id, pageOf, taken } from './test-answers.js';

const hour = (n: number) => `2026-01-03T0${n}:00:00Z`;
const policy = MaintenancePolicyView.parse({
  ...{ id: id(60), clusterId: id(1), name: 'patch', version: 2, createdAt: at, hostsAtOnce: 2 },
  windows: [{ cron: '0 2 * * 6', timeZone: 'Europe/Berlin', durationMinutes: 240 }],
  triggers: [{ kind: 'health', checks: ['reboot_required'], atLeast: 'warning' }],
  action: { kind: 'command', name: 'upgrade', restarts: true },
  nextWindow: { startsAt: hour(1), endsAt: hour(5) },
});
const run = MaintenanceRunView.parse({
  ...{ id: id(61), clusterId: id(1), hostId: id(11), hostName: 'host-1', rolloutId: id(62), group: 1 },
  ...{ policyId: policy.id, policyName: 'patch', policyVersion: 2, trigger: 'health', reason: 'restart required' },
  ...{
    phase: 'evacuating',
    phaseReason: 'its VMs leave',
    heldSince: null,
    phaseSince: at,
    waitsForWindow: true,
    windowEndsAt: null,
  },
  procedure: policy,
  vms: [
    {
      ...{ vmId: id(20), vmName: 'web-1', memoryMiB: 128, state: 'leaving', reason: '', hostId: null },
      ...{ attempts: 1, expectedSeconds: 12, choice: null },
    },
  ],
  progress: { vmsGone: 0, vmsTotal: 1, remainingMiB: 64, etaSeconds: 6.4 },
  command: null,
  timeline: [{ at, phase: 'waiting', message: 'restart required' }],
  ...{ createdAt: at, startedAt: at, endedAt: null },
});
const report = MaintenanceReport.parse({
  ...{ isFeasible: false, summary: '1 of 1 VMs cannot leave host-1 as things are', expectedSeconds: null },
  hosts: [
    {
      ...{ hostId: id(11), hostName: 'host-1', expectedSeconds: null },
      vms: [
        {
          ...{ vmId: id(20), vmName: 'web-1', memoryMiB: 128, destinationHostId: null, destinationHostName: null },
          ...{ expectedSeconds: null, expectedDowntimeMs: null, bandwidthMiBps: 100, dirtyRateMiBps: 1 },
          ...{ reason: 'web-1 is pinned to host-1', choices: ['wait', 'stop'] },
        },
      ],
    },
  ],
});
const dryRun = MaintenanceDryRun.parse({
  due: [{ hostId: id(11), hostName: 'host-1', group: 1, reason: 'restart required' }],
  windows: [policy.nextWindow],
  summary: '1 host is due now: host-1',
});
const { id: _id, version: _version, nextWindow: _next, createdAt: _created, ...definition } = policy;
const versions = [2, 1].map((version) =>
  MaintenancePolicyVersion.parse({
    ...{ version, changedAt: at, changedBy: 'ada' },
    policy: { ...definition, hostsAtOnce: version },
  }),
);
const calendar = CalendarView.parse({
  entries: [
    {
      ...{ policyId: policy.id, policyName: 'patch', clusterId: id(1), startsAt: hour(1), endsAt: hour(5) },
      hosts: [{ id: id(11), name: 'host-1' }],
    },
  ],
});

export function answerAboutMaintenance({ method, url, body }: Exchange): { status: number; body: unknown } | undefined {
  switch (`${method} ${url.pathname.replace('/api/v1', '')}`) {
    case 'GET /maintenance-runs':
      return pageOf([run], url);
    case 'POST /maintenance-runs':
      return taken(CreateMaintenanceRuns, body, { rolloutId: run.rolloutId, runs: [run] });
    case `GET /maintenance-runs/${run.id}`:
      return found(run);
    case `PATCH /maintenance-runs/${run.id}`:
      return taken(UpdateMaintenanceRun, body, run);
    case `POST /maintenance-runs/${run.id}/pause`:
      return found({ ...run, phase: 'paused' });
    case `POST /maintenance-runs/${run.id}/resume`:
      return found(run);
    case `POST /maintenance-runs/${run.id}/cancel`:
      return taken(CancelMaintenanceRun, body, { ...run, phase: 'cancelled' });
    case `POST /hosts/${id(11)}/maintenance-requests`:
      return taken(RequestMaintenance, body, { ...run, trigger: 'request' });
    case `POST /clusters/${id(1)}/maintenance-report`:
      return taken(ReportMaintenance, body, report);
    case 'GET /maintenance-calendar':
      return found(calendar);
    case 'GET /maintenance-policies':
      return pageOf([policy], url);
    case 'POST /maintenance-policies':
      return taken(CreateMaintenancePolicy, body, policy);
    case `PATCH /maintenance-policies/${policy.id}`:
      return taken(UpdateMaintenancePolicy, body, { ...policy, ...(body as object) });
    case `DELETE /maintenance-policies/${policy.id}`:
      return { status: 204, body: undefined };
    case `POST /maintenance-policies/${policy.id}/dry-run`:
      return found(dryRun);
    case `GET /maintenance-policies/${policy.id}/versions`:
      return found({ items: versions });
    default:
      return undefined;
  }
}
