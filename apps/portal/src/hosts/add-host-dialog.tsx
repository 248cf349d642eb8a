import { Alert, Button, ClipboardCopy, ClipboardCopyVariant } from '@patternfly/react-core';
import { useState } from 'react';
import { CreateHost, type CreatedHost } from '#contracts';
import { SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { optionsOf } from '../parts/filters.js';
import { Dialog } from '../parts/dialog.js';

export function AddHostDialog({ onClose }: { onClose: () => void }) {
  const { client } = useSession();
  const { clusters } = useInventory();
  const [created, setCreated] = useState<CreatedHost>();
  const form = useForm({ schema: CreateHost, initial: { name: '', clusterId: clusters[0]?.id ?? '' } });
  if (created) return <Enrolment host={created} onClose={onClose} />;
  return (
    <FormDialog
      title="Add host"
      description="The controller makes a token with which the host's agent enrols."
      form={form}
      verb="Add host"
      onClose={onClose}
      onSubmit={() => void form.submit(async (body) => setCreated(await client.hosts.create(body)))}
    >
      <TextField
        form={form}
        name="name"
        label="Name"
        isRequired
        placeholder="host-4"
        help="As people call the machine."
      />
      <SelectField
        form={form}
        name="clusterId"
        label="Cluster"
        isRequired
        options={optionsOf(clusters)}
        help="VMs move among the hosts of a cluster."
      />
    </FormDialog>
  );
}

/** The commands that start the agent; the token goes into a file, since a command line is no secret. */
const commandsFor = ({
  name,
}: CreatedHost) => `umask 077 && cat > ${name}.token   # paste the token, then Enter and Ctrl-D
DROVER_CONTROLLER_URL=${window.location.origin} \\
DROVER_ENROLMENT_TOKEN_FILE=${name}.token \\
DROVER_AGENT_DIR=/var/lib/drover/${name} \\
node dist/apps/agent/main.js`;

function Enrolment({ host, onClose }: { host: CreatedHost; onClose: () => void }) {
  return (
    <Dialog
      title={`${host.name} is added`}
      wide
      onClose={onClose}
      footer={<Button onClick={onClose}>I have copied the token</Button>}
    >
      <div className="stack">
        <Alert isInline variant="warning" title="The token is shown this once.">
          Whoever has it can enrol as {host.name}. If it is lost, delete the host and add it again.
        </Alert>
        <div>
          <h3 className="dialog-heading">Enrolment token</h3>
          <ClipboardCopy isReadOnly hoverTip="Copy" clickTip="Copied" textAriaLabel="Enrolment token">
            {host.enrolmentToken}
          </ClipboardCopy>
        </div>
        <div>
          <h3 className="dialog-heading">On the host, in Drover's folder</h3>
          <ClipboardCopy
            isCode
            isReadOnly
            isExpanded
            variant={ClipboardCopyVariant.expansion}
            hoverTip="Copy"
            clickTip="Copied"
            textAriaLabel="Commands"
          >
            {commandsFor(host)}
          </ClipboardCopy>
        </div>
      </div>
    </Dialog>
  );
}
