import { Button, Form } from '@patternfly/react-core';
import { useState } from 'react';
import { type ClusterView, UpdateCluster } from '#contracts';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { ProblemAlert } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { ClusterFields } from './cluster-fields.js';

export function ClusterSettings({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { hosts, vms } = useInventory();
  const { say } = useToasts();
  const [deletes, setDeletes] = useState(false);
  const { name, description, planMode, migrationPolicyId, cooldownSeconds, maxMigrationsPerHost } = cluster;
  const { haReservation, checkpointLimitMiB, fencing } = cluster;
  const limits = { cooldownSeconds, maxMigrationsPerHost, haReservation, checkpointLimitMiB, fencing };
  const form = useForm({
    schema: UpdateCluster,
    initial: { name, description, planMode, migrationPolicyId, ...limits },
  });
  const save = () =>
    form.submit(async (body) => {
      await client.clusters.update(cluster.id, body);
      say(`Cluster ${body.name ?? name} is saved`);
    });
  const inIt = [...hosts, ...vms].filter(({ clusterId }) => clusterId === cluster.id).length;
  return (
    <Panel title={`Cluster ${name}`} className="panel-narrow">
      <Form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {form.problem !== undefined && <ProblemAlert error={form.problem} />}
        <ClusterFields form={form} />
        <div className="form-buttons">
          <Button type="submit" isLoading={form.isBusy} isDisabled={form.isBusy}>
            Save
          </Button>
          <Button variant="link" isDanger isDisabled={inIt > 0} onClick={() => setDeletes(true)}>
            Delete cluster…
          </Button>
          {inIt > 0 && (
            <span className="subtle">
              It can be deleted when it is empty; {plural(inIt, 'host or VM', 'hosts and VMs')} belong to it.
            </span>
          )}
        </div>
      </Form>
      {deletes && (
        <ConfirmDialog
          title={`Delete cluster ${name}?`}
          verb="Delete cluster"
          isDanger
          action={() => client.clusters.remove(cluster.id)}
          onClose={() => setDeletes(false)}
        >
          The cluster and its policy are removed. This cannot be undone.
        </ConfirmDialog>
      )}
    </Panel>
  );
}
