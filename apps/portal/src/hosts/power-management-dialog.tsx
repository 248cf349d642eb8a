import { z } from 'zod';
import type { HostPowerView, HostView, PowerManagement, SetPowerManagement } from '#contracts';
import { CheckField, NumberField, PasswordField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';

const ManagementForm = z.object({
  type: z.enum(['fence_agent', 'wake_on_lan', 'exec']),
  agent: z.string(),
  address: z.string(),
  port: z.number().int().min(1).max(65_535).nullable(),
  username: z.string(),
  password: z.string(),
  hasNoPassword: z.boolean(),
  macAddress: z.string(),
  program: z.string(),
  options: z.string().refine((text) => pairsOf(text) !== null, 'write NAME=VALUE, with spaces between them'),
});
type Values = z.infer<typeof ManagementForm>;

/** `lanplus=1 cipher=17` as an object; null if it is not written so. */
function pairsOf(text: string): Record<string, string> | null {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.some((word) => word.indexOf('=') < 1)) return null;
  return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}

const initialFrom = (management: PowerManagement | null): Values => ({
  type: management?.type ?? 'fence_agent',
  agent: management?.type === 'fence_agent' ? management.agent : 'fence_ipmilan',
  address: management && 'address' in management ? management.address : '',
  port: management && 'port' in management ? management.port : null,
  username: management?.type === 'fence_agent' ? management.username : '',
  password: '',
  hasNoPassword: false,
  macAddress: management?.type === 'wake_on_lan' ? management.macAddress : '',
  program: (management && 'program' in management && management.program) || '',
  options: Object.entries(management?.options ?? (management ? {} : { lanplus: '1' }))
    .map(([name, value]) => `${name}=${value}`)
    .join(' '),
});

function bodyOf(values: Values): SetPowerManagement {
  const { type, agent, address, port, username, macAddress, program } = values;
  const options = pairsOf(values.options) ?? {};
  const password = values.hasNoPassword ? { password: null } : values.password ? { password: values.password } : {};
  switch (type) {
    case 'fence_agent':
      return { type, agent, address, port, username, options, ...password };
    case 'wake_on_lan':
      return {
        ...{ type, macAddress, options, ...password },
        ...{ address: address || '255.255.255.255', port: port ?? 9, program: program || null },
      };
    case 'exec':
      return { type, program, options, ...password };
  }
}

interface DialogProps {
  readonly host: HostView;
  readonly power: HostPowerView;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

export function PowerManagementDialog({ host, power, onSaved, onClose }: DialogProps) {
  const { client } = useSession();
  const form = useForm({ schema: ManagementForm, initial: initialFrom(power.management) });
  const type = form.values.type as Values['type'];
  const save = async () => {
    const done = await form.submit((values) => client.power.setManagement(host.id, bodyOf(values)));
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog
      title={`Power management of ${host.name}`}
      description="How Drover switches the host on and off. The controller's machine must reach it."
      form={form}
      verb="Save"
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <SelectField
        form={form}
        name="type"
        label="Type"
        isRequired
        options={[
          { value: 'fence_agent', label: 'Fence agent' },
          { value: 'wake_on_lan', label: 'Wake-on-LAN' },
          { value: 'exec', label: "A program in the controller's folder" },
        ]}
      />
      {type === 'fence_agent' && (
        <TextField
          form={form}
          name="agent"
          label="Agent"
          isRequired
          help="fence_ipmilan, fence_redfish, fence_virsh, …"
        />
      )}
      {type === 'wake_on_lan' && (
        <TextField form={form} name="macAddress" label="MAC address" isRequired placeholder="52:54:00:12:34:56" />
      )}
      {type !== 'exec' && (
        <>
          <TextField
            form={form}
            name="address"
            label={type === 'wake_on_lan' ? 'Broadcast address' : 'Address'}
            isRequired={type === 'fence_agent'}
            placeholder={type === 'wake_on_lan' ? '255.255.255.255' : 'bmc-1.example.org'}
          />
          <NumberField form={form} name="port" label="Port" emptyIsNull placeholder="the usual one" step={1} />
        </>
      )}
      {type === 'fence_agent' && <TextField form={form} name="username" label="User" />}
      {type !== 'fence_agent' && (
        <TextField
          form={form}
          name="program"
          label="Program"
          isRequired={type === 'exec'}
          help={
            type === 'exec'
              ? 'A file in DROVER_POWER_DIR, spoken to as fence agents are.'
              : 'Switches the host off and tells its state; wake-on-LAN cannot.'
          }
        />
      )}
      <PasswordField
        form={form}
        name="password"
        label="Password"
        help={power.hasPassword ? 'Empty: the one that is kept stays.' : 'Kept encrypted, and never shown again.'}
      />
      {power.hasPassword && <CheckField form={form} name="hasNoPassword" label="Forget the password" />}
      <TextField
        form={form}
        name="options"
        label="More options"
        isMonospace
        help="By the agent's own names: lanplus=1"
      />
    </FormDialog>
  );
}
