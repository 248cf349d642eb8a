import { Injectable } from '@nestjs/common';
import type {
  CalendarEntry,
  CalendarQuery,
  CreateMaintenancePolicy,
  MaintenanceDryRun,
  MaintenancePolicyView,
  MaintenanceWindow,
  UpdateMaintenancePolicy,
} from '#contracts';
import { Database, type MaintenancePolicy, type Repositories } from '#database';
import { dueRollouts, inScope, nextWindow, type OpenWindow, windowFault, windowsBetween } from '#maintenance';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';
import { BadInput } from '../http/problems.js';
import { hostFacts, maintenanceFacts, policyFacts } from './facts.js';

const DAY_MS = 86_400_000;
const LONGEST_CALENDAR_MS = 31 * DAY_MS;
const CALENDAR_MS = 28 * DAY_MS;
const WINDOWS_SHOWN = 5;
/** There is one token today; whoever has it is the administrator. */
const ADMINISTRATOR = 'administrator';

/** Keeps maintenance policies that can be carried out, and tells what they mean. */
@Injectable()
export class MaintenancePoliciesService {
  constructor(private readonly db: Database) {}

  create(body: CreateMaintenancePolicy, now: Date): Promise<MaintenancePolicyView> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.get(body.clusterId);
      await check(tx, body);
      const row = await tx.maintenancePolicies.create(body, ADMINISTRATOR, now);
      await this.tell(tx, row, 'made', now);
      return policyView(row, now);
    });
  }

  /** A new version. Throws Conflict if it was made to another version than the newest. */
  update(id: string, { version, ...changed }: UpdateMaintenancePolicy, now: Date): Promise<MaintenancePolicyView> {
    return this.db.transaction(async (tx) => {
      const before = await tx.maintenancePolicies.get(id);
      await check(tx, { clusterId: before.clusterId, ...before.definition, ...changed });
      const row = await tx.maintenancePolicies.update(id, changed, version, ADMINISTRATOR, now);
      await this.tell(tx, row, `changed (version ${row.version})`, now);
      return policyView(row, now);
    });
  }

  /** Runs that it has begun go on. */
  remove(id: string, now: Date): Promise<void> {
    return this.db.transaction(async (tx) => {
      const row = await tx.maintenancePolicies.get(id);
      await tx.maintenancePolicies.remove(id);
      await this.tell(tx, row, 'deleted', now);
    });
  }

  /** Which hosts it would empty now, in which order, and when its windows open. Nothing is begun. */
  dryRun(id: string, now: Date): Promise<MaintenanceDryRun> {
    return this.db.transaction(async (tx) => {
      const policy = await tx.maintenancePolicies.get(id);
      const cluster = await tx.clusters.get(policy.clusterId);
      const found = await maintenanceFacts(tx, cluster, now, now);
      const facts = found?.facts ?? {
        policies: [],
        hosts: (await tx.hosts.ofCluster(cluster.id)).map((host) => hostFacts(host, [])),
        runs: [],
        history: [],
        cluster: await tx.facts.ofCluster(cluster.id),
        schedulingPolicy: currentPolicy(cluster),
        limits: limitsOf(cluster),
        decidingSinceMs: now.getTime(),
      };
      const due = dueRollouts(policyFacts(policy), facts, now.getTime()).flatMap((step) =>
        step.action === 'begin' ? step.hosts : [],
      );
      const { windows } = policy.definition;
      const coming = windowsBetween(windows, now.getTime(), now.getTime() + 366 * DAY_MS, WINDOWS_SHOWN);
      const state = policy.enabled ? '' : 'it is switched off; if it were on, ';
      const summary =
        due.length === 0
          ? `${state}no host is due now`
          : `${state}${due.length === 1 ? 'one host is' : `${due.length} hosts are`} due now: ${due.map(({ hostName }) => hostName).join(', ')}`;
      return { due: [...due], windows: coming.map(asTimes), summary };
    });
  }

  async calendar({ clusterId, from, to }: CalendarQuery, now: Date): Promise<CalendarEntry[]> {
    const fromMs = from ? Date.parse(from) : now.getTime();
    const toMs = to ? Date.parse(to) : fromMs + CALENDAR_MS;
    if (toMs < fromMs || toMs - fromMs > LONGEST_CALENDAR_MS)
      throw new BadInput([{ field: 'to', message: 'choose a time after "from", 31 days later at the most' }]);
    const policies = (await this.db.maintenancePolicies.all(clusterId)).filter(({ enabled }) => enabled);
    const entries: CalendarEntry[] = [];
    for (const policy of policies) {
      const members = (await this.db.hosts.ofCluster(policy.clusterId)).filter((host) =>
        inScope(policy.definition, hostFacts(host, [])),
      );
      const hosts = members.map(({ id, name }) => ({ id, name }));
      const { id: policyId, name: policyName } = policy;
      for (const window of windowsBetween(policy.definition.windows, fromMs, toMs))
        entries.push({ policyId, policyName, clusterId: policy.clusterId, ...asTimes(window), hosts });
    }
    return entries.toSorted((a, b) => Date.parse(a.startsAt) - Date.parse(b.startsAt));
  }

  private tell(tx: Repositories, { clusterId, name }: MaintenancePolicy, what: string, now: Date): Promise<void> {
    const text = `maintenance policy ${name} was ${what} by the ${ADMINISTRATOR}`;
    return tx.events.add('info', 'maintenance.policy', text, { clusterId }, now);
  }
}

const asTimes = ({ startsMs, endsMs }: OpenWindow) => ({
  startsAt: new Date(startsMs).toISOString(),
  endsAt: new Date(endsMs).toISOString(),
});

export function policyView(row: MaintenancePolicy, now: Date): MaintenancePolicyView {
  const { id, clusterId, name, enabled, version, definition, createdAt } = row;
  const next = nextWindow(definition.windows, now.getTime());
  const shown = next === null ? null : asTimes(next);
  return {
    ...definition,
    id,
    clusterId,
    name,
    enabled,
    version,
    nextWindow: shown,
    createdAt: createdAt.toISOString(),
  };
}

interface Checked {
  readonly clusterId: string;
  readonly hostIds: readonly string[];
  readonly windows: readonly MaintenanceWindow[];
  readonly triggers: CreateMaintenancePolicy['triggers'];
}

/** Throws BadInput for windows that never open, hosts of elsewhere, and triggers that need a window where none is. */
async function check(tx: Repositories, { clusterId, hostIds, windows, triggers }: Checked): Promise<void> {
  const errors = windows.flatMap((window, index) => {
    const fault = windowFault(window);
    return fault ? [{ field: `windows.${index}.${fault.field}`, message: fault.message }] : [];
  });
  const known = new Set((await tx.hosts.ofCluster(clusterId)).map(({ id }) => id));
  for (const [index, id] of hostIds.entries())
    if (!known.has(id))
      errors.push({ field: `hostIds.${index}`, message: `${id} is not in this cluster; take it out` });
  for (const [index, trigger] of triggers.entries())
    if (windows.length === 0 && (trigger.kind === 'window' || trigger.when === 'in_window'))
      errors.push({
        field: `triggers.${index}`,
        message:
          trigger.kind === 'window'
            ? 'it waits for a window, and there is none; add one'
            : 'it waits for a window, and there is none; add one, or set when to at_once',
      });
  if (errors.length > 0) throw new BadInput(errors);
}
