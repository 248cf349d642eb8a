import { Checkbox, FormGroup } from '@patternfly/react-core';
import { useId } from 'react';
import { HealthKind, type MaintenanceTrigger } from '#contracts';
import { NumberField, SelectField, TextField } from '../forms/fields.js';
import type { Form } from '../forms/form.js';
import { RowsField } from '../forms/rows.js';
import { NEW_TRIGGER, newWindow } from './policy-form.js';
import { HEALTH_WORDS } from './words.js';

export const WindowFields = ({ form }: { form: Form }) => (
  <RowsField form={form} name="windows" label="Windows" noun="window" none="None." fresh={newWindow()}>
    {(row) => (
      <>
        <TextField form={row} name="cron" label="Opens" isMonospace help="minute hour day month weekday" />
        <TextField form={row} name="timeZone" label="Time zone" />
        <NumberField form={row} name="durationMinutes" label="Lasts" unit="min" step={1} />
      </>
    )}
  </RowsField>
);

const KINDS = [
  { value: 'window', label: 'a window opens' },
  { value: 'health', label: 'a host is not well' },
  { value: 'migration_failures', label: 'its migrations fail' },
  { value: 'request', label: 'another system asks for it' },
];

export const TriggerFields = ({ form }: { form: Form }) => (
  <RowsField
    form={form}
    name="triggers"
    label="A host is emptied when"
    noun="trigger"
    none="Nothing: no host is ever due."
    fresh={NEW_TRIGGER.health}
  >
    {(row, replace) => (
      <>
        <SelectField
          form={{ ...row, set: (_, kind) => replace(NEW_TRIGGER[kind as MaintenanceTrigger['kind']]) }}
          name="kind"
          label="When"
          options={KINDS}
        />
        <TriggerDetails row={row} kind={row.values.kind as MaintenanceTrigger['kind']} />
        {row.values.kind !== 'window' && (
          <SelectField
            form={row}
            name="when"
            label="Then it is emptied"
            options={[
              { value: 'in_window', label: 'in the next window' },
              { value: 'at_once', label: 'at once' },
            ]}
          />
        )}
      </>
    )}
  </RowsField>
);

function TriggerDetails({ row, kind }: { row: Form; kind: MaintenanceTrigger['kind'] }) {
  switch (kind) {
    case 'window':
    case 'request':
      return null;
    case 'health':
      return (
        <>
          <SelectField
            form={row}
            name="atLeast"
            label="A check"
            options={[
              { value: 'failed', label: 'has failed' },
              { value: 'warning', label: 'warns or has failed' },
            ]}
          />
          <HealthKinds form={row} />
        </>
      );
    case 'migration_failures':
      return (
        <>
          <NumberField form={row} name="count" label="Failures" step={1} />
          <NumberField form={row} name="withinMinutes" label="Within" unit="min" step={1} />
        </>
      );
  }
}

function HealthKinds({ form }: { form: Form }) {
  const chosen = form.values.checks as readonly string[];
  const id = useId();
  return (
    <FormGroup role="group" label="Checks that count" className="wide">
      <div className="checks">
        {HealthKind.options.map((kind) => (
          <Checkbox
            key={kind}
            id={`${id}-${kind}`}
            label={HEALTH_WORDS[kind]}
            isChecked={chosen.includes(kind)}
            onChange={(_, checked) =>
              form.set('checks', checked ? [...chosen, kind] : chosen.filter((each) => each !== kind))
            }
          />
        ))}
      </div>
      {form.errorOf('checks') && <p className="tone-bad">choose at least one</p>}
    </FormGroup>
  );
}
