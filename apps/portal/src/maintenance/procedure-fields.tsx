import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import type { Form } from '../forms/form.js';
import { CHOICE_OPTIONS, STOP_OPTIONS } from './words.js';

/** What happens to hosts that are emptied: the same for those that a policy finds due and those begun by hand. */
export function ProcedureFields({ form }: { form: Form }) {
  return (
    <>
      <SelectField form={form} name="onBlocked" label="A VM that cannot leave" options={CHOICE_OPTIONS} />
      <SelectField form={form} name="stopRolloutOn" label="The other hosts" options={STOP_OPTIONS} />
      <div className="field-row">
        <NumberField
          form={form}
          name="blockedWaitMinutes"
          label="Wait for such VMs"
          unit="min"
          step={1}
          isRequired
          help="Then the host is skipped, so that others have their turn."
        />
        <NumberField
          form={form}
          name="maxAttempts"
          label="Attempts for each VM"
          step={1}
          isRequired
          help="So many of its migrations may fail."
        />
        <NumberField
          form={form}
          name="evacuationTimeoutMinutes"
          label="Time to empty a host"
          unit="min"
          step={1}
          isRequired
          help="One that is not empty by then goes back to work."
        />
      </div>
      <SelectField
        form={form}
        name="action"
        label="When it is empty"
        options={[
          { value: 'none', label: 'nothing is done with it' },
          { value: 'command', label: 'it runs a command' },
          { value: 'power_cycle', label: 'it is switched off and on again, by its power management' },
        ]}
      />
      {form.values.action === 'command' && (
        <>
          <TextField
            form={form}
            name="command"
            label="Command"
            isMonospace
            isRequired
            help="An executable of the hosts’ folder maintenance.d."
          />
          <TextField form={form} name="arguments" label="Arguments" isMonospace />
          <NumberField form={form} name="timeoutSeconds" label="It may take" unit="s" step={1} isRequired />
          <CheckField form={form} name="restarts" label="The command restarts the host" />
        </>
      )}
      <CheckField form={form} name="activate" label="A healthy host takes VMs again" />
      <CheckField form={form} name="returnVms" label="VMs that had to leave come back" />
    </>
  );
}
