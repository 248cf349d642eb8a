import { CreateCluster, DEFAULT_CHECKPOINT_LIMIT_MIB, DEFAULT_FENCING } from '#contracts';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { ClusterFields } from './cluster-fields.js';

/** Its scheduling policy is `none` at first: nothing moves before somebody has looked at a dry run. */
export function ClusterDialog({ onClose }: { onClose: () => void }) {
  const { client } = useSession();
  const form = useForm({
    schema: CreateCluster,
    initial: {
      ...{ name: '', description: '', planMode: 'automatic' as const },
      ...{ cooldownSeconds: 60, maxMigrationsPerHost: 2, haReservation: 0 },
      checkpointLimitMiB: DEFAULT_CHECKPOINT_LIMIT_MIB,
      fencing: DEFAULT_FENCING,
    },
  });
  return (
    <FormDialog
      title="Create cluster"
      description="A group of hosts among which VMs may move. It starts with the policy none."
      form={form}
      verb="Create"
      onClose={onClose}
      onSubmit={() => void form.submit((body) => client.clusters.create(body)).then((done) => done && onClose())}
    >
      <ClusterFields form={form} noPolicy="The standard one" />
    </FormDialog>
  );
}
