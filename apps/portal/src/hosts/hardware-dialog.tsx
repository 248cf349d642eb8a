import { z } from 'zod';
import { type HostPowerView, type HostView, PowerCurve } from '#contracts';
import { NumberField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';

const numbersOf = (text: string) =>
  text
    .split(/[\s,;]+/)
    .filter((word) => word !== '')
    .map(Number);

const HardwareForm = z.object({
  wattsAt: z.string().superRefine((text, context) => {
    if (text.trim() === '') return;
    const result = PowerCurve.safeParse(numbersOf(text));
    if (!result.success) context.addIssue({ code: 'custom', message: result.error.issues[0]!.message });
  }),
  offWatts: z.number().min(0).max(10_000),
  inServiceSince: z.union([z.literal(''), z.iso.date('write it as 2024-05-31')]),
});

interface DialogProps {
  readonly host: HostView;
  readonly power: HostPowerView;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

export function HardwareDialog({ host, power, onSaved, onClose }: DialogProps) {
  const { client } = useSession();
  const form = useForm({
    schema: HardwareForm,
    initial: {
      wattsAt: power.wattsAt?.join(' ') ?? '',
      offWatts: power.offWatts,
      inServiceSince: power.inServiceSince ?? '',
    },
  });
  const save = async () => {
    const done = await form.submit(({ wattsAt, offWatts, inServiceSince }) =>
      client.power.update(host.id, {
        wattsAt: wattsAt.trim() === '' ? null : numbersOf(wattsAt),
        offWatts,
        inServiceSince: inServiceSince || null,
      }),
    );
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog
      title={`Hardware of ${host.name}`}
      description="By this policies choose which host to empty first, and energy is reckoned."
      form={form}
      verb="Save"
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <TextField
        form={form}
        name="wattsAt"
        label="Watts from idle to fully busy"
        help="At even distances; eleven values are SPECpower's 0 %, 10 %, … 100 %."
        placeholder="86 89.4 92.6 96 99.5 102 106 108 112 114 117"
      />
      <NumberField form={form} name="offWatts" label="Watts while off" unit="W" isRequired />
      <TextField form={form} name="inServiceSince" label="In service since" placeholder="2024-05-31" />
    </FormDialog>
  );
}
