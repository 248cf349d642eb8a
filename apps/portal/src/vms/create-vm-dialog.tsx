import { useNavigate } from 'react-router';
import type { Architecture, HypervisorName } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { optionsOf } from '../parts/filters.js';
import { useMigrationPolicies } from '../policies/use-migration-policies.js';
import { hostOptions, mostMemoryMiB } from './host-options.js';
import { VmForm } from './vm-form.js';
import { HA_HELP, PRIORITY_HELP } from './vm-words.js';
import { useStorageDomains } from './use-storage-domains.js';

const HYPERVISORS = [
  { value: 'drover', label: "Drover's own VMM" },
  { value: 'qemu', label: "The host's QEMU" },
];
const ARCHITECTURES = [
  { value: 'riscv64', label: 'riscv64' },
  { value: 'x86_64', label: 'x86_64 (QEMU alone)' },
];

export function CreateVmDialog({ onClose }: { onClose: () => void }) {
  const { client } = useSession();
  const { clusters, hosts } = useInventory();
  const { data: policies = [] } = useMigrationPolicies();
  const navigate = useNavigate();
  const form = useForm({
    schema: VmForm,
    initial: {
      name: '',
      hypervisor: 'drover',
      architecture: 'riscv64',
      clusterId: clusters[0]?.id ?? '',
      vcpus: 1,
      memoryMiB: 128,
      image: 'pager',
      append: '',
      networks: 'default',
      storageDomainId: null,
      diskMiB: 1024,
      priority: 1,
      highAvailability: false,
      migrationPolicyId: null,
      hostId: null,
      start: true,
    },
  });
  const { clusterId, memoryMiB, storageDomainId, hypervisor, architecture } = form.values;
  const storageDomains = useStorageDomains(String(clusterId));
  const machine = {
    clusterId: String(clusterId),
    hypervisor: hypervisor as HypervisorName,
    architecture: architecture as Architecture,
  };
  const mostMiB = mostMemoryMiB(hosts, machine);
  const create = () =>
    form.submit(async ({ networks, storageDomainId: domain, diskMiB, ...body }) => {
      const disks = domain === null ? [] : [{ storageDomainId: domain, sizeMiB: diskMiB }];
      const vm = await client.vms.create({ ...body, nics: networks, disks });
      await navigate(`/vms/${vm.id}`);
    });
  return (
    <FormDialog
      title="Create virtual machine"
      form={form}
      verb="Create"
      onClose={onClose}
      onSubmit={() => void create().then((done) => done && onClose())}
    >
      <TextField form={form} name="name" label="Name" isRequired placeholder="vm-7" />
      {clusters.length > 1 && (
        <SelectField form={form} name="clusterId" label="Cluster" isRequired options={optionsOf(clusters)} />
      )}
      <div className="field-row">
        <NumberField form={form} name="vcpus" label="vCPUs" isRequired step={1} help="1 to 16" />
        <NumberField
          form={form}
          name="memoryMiB"
          label="Memory"
          unit="MiB"
          isRequired
          step={1}
          help={0 < mostMiB && mostMiB < Infinity ? `16 to ${mostMiB}` : '16 or more'}
        />
      </div>
      <div className="field-row">
        <SelectField form={form} name="hypervisor" label="Runs on" isRequired options={HYPERVISORS} />
        <SelectField form={form} name="architecture" label="Architecture" isRequired options={ARCHITECTURES} />
      </div>
      <TextField
        form={form}
        name="image"
        label="Image"
        isRequired
        isMonospace
        help="A guest image in the hosts' image folders, such as linux or pager."
      />
      <TextField
        form={form}
        name="append"
        label="Kernel command line"
        isMonospace
        placeholder="region=64 rate=8"
        help="What the guest finds as its boot arguments; may be left empty."
      />
      <TextField
        form={form}
        name="networks"
        label="Networks"
        placeholder="none"
        help="A network card for each, with commas between; VMs see each other on networks of the same name. NETWORK=DEVICE adds a device of the host."
      />
      {storageDomains.length > 0 && (
        <div className="field-row">
          <SelectField
            form={form}
            name="storageDomainId"
            label="Disk on"
            none="No disk"
            options={optionsOf(storageDomains)}
          />
          {storageDomainId !== null && (
            <NumberField form={form} name="diskMiB" label="Disk size" unit="MiB" isRequired step={1} />
          )}
        </div>
      )}
      <SelectField
        form={form}
        name="hostId"
        label="First host"
        none="Let the scheduler choose"
        options={hostOptions(hosts, { ...machine, memoryMiB: typeof memoryMiB === 'number' ? memoryMiB : 0 })}
      />
      <NumberField form={form} name="priority" label="Priority" isRequired step={1} help={PRIORITY_HELP} />
      <CheckField form={form} name="highAvailability" label="Highly available" help={HA_HELP} />
      <SelectField
        form={form}
        name="migrationPolicyId"
        label="Migration policy"
        none="The cluster's"
        options={optionsOf(policies)}
      />
      <CheckField form={form} name="start" label="Start it now" />
    </FormDialog>
  );
}
