/** Which cluster a page is about: the one in the address, else the first. Shown only if there are several. */
import { FormSelect, FormSelectOption } from '@patternfly/react-core';
import { useSearchParams } from 'react-router';
import type { ClusterView } from '#contracts';
import { useInventory } from '../live/inventory.js';

export function useCluster(): ClusterView | undefined {
  const { clusters } = useInventory();
  const [query] = useSearchParams();
  return clusters.find(({ id }) => id === query.get('cluster')) ?? clusters[0];
}

export function ClusterPicker() {
  const { clusters } = useInventory();
  const cluster = useCluster();
  const [, setQuery] = useSearchParams();
  if (clusters.length < 2) return cluster ? <span className="subtle">Cluster {cluster.name}</span> : null;
  return (
    <FormSelect
      aria-label="Cluster"
      value={cluster?.id}
      onChange={(_, id) => setQuery({ cluster: id }, { replace: true })}
      className="cluster-picker"
    >
      {clusters.map(({ id, name }) => (
        <FormSelectOption key={id} value={id} label={`Cluster ${name}`} />
      ))}
    </FormSelect>
  );
}
