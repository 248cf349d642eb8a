/** VMs that are on their way home before they have begun to move. */
import type { ClusterFacts, InFlightMove } from '#planner';
import type { RunFacts } from './facts.js';

/**
 * The cluster as policies are to see it: VMs that come back to a host that is up again count as on their way there. Else
 * a policy fills the place first, say with another VM that a soft rule keeps apart from its like, and both move twice.
 * Only their place is kept: until they move, which may take long, others may migrate from and to these hosts.
 */
export function withReturns(
  cluster: ClusterFacts,
  runs: readonly Pick<RunFacts, 'hostId' | 'phase' | 'procedure' | 'vms'>[],
): ClusterFacts {
  const up = new Set(cluster.hosts.flatMap(({ id, status }) => (status === 'up' ? id : [])));
  const moving = new Set(cluster.inFlight.map(({ vmId }) => vmId));
  const placeOf = new Map(cluster.vms.map(({ id, hostId }) => [id, hostId]));
  const returns = runs
    .filter(({ hostId, phase, procedure }) => phase === 'returning' && procedure.returnVms && up.has(hostId))
    .flatMap(({ hostId: destinationHostId, vms }) =>
      vms.flatMap(({ vmId, state, hostId }): InFlightMove[] =>
        state === 'left' && hostId !== null && up.has(hostId) && placeOf.get(vmId) === hostId && !moving.has(vmId)
          ? [{ vmId, sourceHostId: hostId, destinationHostId, isPromised: true }]
          : [],
      ),
    );
  return returns.length === 0 ? cluster : { ...cluster, inFlight: [...cluster.inFlight, ...returns] };
}
