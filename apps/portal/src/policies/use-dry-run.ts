import { useState } from 'react';
import type { PlanView, SchedulingPolicy } from '#contracts';
import { useSession } from '../live/session.js';

interface Run {
  readonly isBusy: boolean;
  readonly plan?: PlanView;
  readonly error?: unknown;
}

/** Tries a policy on a cluster without applying it. */
export function useDryRun(clusterId: string) {
  const { client } = useSession();
  const [state, setState] = useState<Run>({ isBusy: false });
  const run = (schedulingPolicy: SchedulingPolicy) => {
    setState({ isBusy: true });
    client.clusters.plan(clusterId, { schedulingPolicy }).then(
      (plan) => setState({ isBusy: false, plan }),
      (error: unknown) => setState({ isBusy: false, error }),
    );
  };
  return { ...state, error: state.error, plan: state.plan, run, clear: () => setState({ isBusy: false }) };
}
