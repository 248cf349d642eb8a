import { useQuery } from '@tanstack/react-query';
import { allOf } from '#client';
import type { MaintenancePolicyView, MaintenanceRunView } from '#contracts';
import { useSession } from '../live/session.js';

export const MAINTENANCE = ['maintenance'] as const;

/** The stream does not tell of maintenance, so it is asked for while a page shows it. */
const REFRESH_MS = 2000;
const SLOW_REFRESH_MS = 15_000;

/** Runs, the newest first: those of a host, or those of all. */
export function useMaintenanceRuns(hostId?: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: [...MAINTENANCE, 'runs', hostId ?? 'all'],
    queryFn: async (): Promise<MaintenanceRunView[]> =>
      (await client.maintenance.runs({ limit: hostId ? 10 : 100, ...(hostId && { hostId }) })).items,
    refetchInterval: REFRESH_MS,
  });
}

export function useMaintenanceRun(id: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: [...MAINTENANCE, 'run', id],
    queryFn: () => client.maintenance.run(id),
    refetchInterval: REFRESH_MS,
  });
}

export function useMaintenancePolicies() {
  const { client } = useSession();
  return useQuery({
    queryKey: [...MAINTENANCE, 'policies'],
    queryFn: async () => {
      const policies: MaintenancePolicyView[] = [];
      for await (const policy of allOf((cursor) => client.maintenancePolicies.list({ cursor, limit: 200 })))
        policies.push(policy);
      return policies;
    },
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function useMaintenanceCalendar() {
  const { client } = useSession();
  return useQuery({
    queryKey: [...MAINTENANCE, 'calendar'],
    queryFn: async () => (await client.maintenance.calendar()).entries,
    refetchInterval: SLOW_REFRESH_MS,
  });
}
