/** The choice of a scheduling policy with its parameters, for those who apply one and those who only ask. */
import { Radio } from '@patternfly/react-core';
import { useId, useState } from 'react';
import { z } from 'zod';
import { SCHEDULING_PARAMETERS, SchedulingPolicy } from '#contracts';
import { CheckField, NumberField } from '../forms/fields.js';
import { useForm } from '../forms/form.js';
import { hasParameters, parametersOf, POLICIES } from './policy-words.js';

type Values = Record<string, unknown>;
type PolicyName = SchedulingPolicy['name'];

/** What the form begins with: the policy's own parameters if it is the stored one, otherwise the defaults. */
const valuesOf = (name: PolicyName, stored: SchedulingPolicy): Values => {
  if (stored.name === name && 'parameters' in stored) return { ...stored.parameters };
  return hasParameters(name) ? { ...SCHEDULING_PARAMETERS[name].parse({}) } : {};
};
const schemaOf = (name: PolicyName) => (hasParameters(name) ? SCHEDULING_PARAMETERS[name] : NO_PARAMETERS);
const NO_PARAMETERS = z.object({});
const NAMES = Object.keys(POLICIES) as PolicyName[];

export function usePolicyForm(stored: SchedulingPolicy) {
  const [name, setName] = useState(stored.name);
  const form = useForm<z.ZodObject>({ schema: schemaOf(name), initial: valuesOf(stored.name, stored) });
  const parameters = parametersOf(name);
  const isChanged =
    name !== stored.name || parameters.some((one) => form.values[one.name] !== valuesOf(name, stored)[one.name]);
  const choose = (chosen: PolicyName) => {
    setName(chosen);
    form.reset(valuesOf(chosen, stored));
  };
  /** What the form says, if it is valid. */
  const draft = (): SchedulingPolicy | undefined => {
    const checked = form.check();
    return checked && SchedulingPolicy.parse(hasParameters(name) ? { name, parameters: checked } : { name });
  };
  return { name, form, parameters, isChanged, choose, draft };
}

interface PolicyFieldsProps {
  readonly policy: ReturnType<typeof usePolicyForm>;
  readonly onChoose: (name: PolicyName) => void;
}

export function PolicyFields({ policy: { name, form, parameters }, onChoose }: PolicyFieldsProps) {
  const id = useId();
  return (
    <>
      <div role="radiogroup" aria-label="Policy" className="policy-choice">
        {NAMES.map((one) => (
          <Radio
            key={one}
            id={`${id}-${one}`}
            name={id}
            label={POLICIES[one].title}
            description={POLICIES[one].help}
            isChecked={name === one}
            onChange={() => onChoose(one)}
          />
        ))}
      </div>
      {parameters.length > 0 && (
        <div className="parameters">
          {parameters.map(({ name: parameter, unit, help, preset, isSwitch }) =>
            isSwitch ? (
              <CheckField key={parameter} form={form} name={parameter} label={parameter} help={help} />
            ) : (
              <NumberField
                key={parameter}
                form={form}
                name={parameter}
                label={parameter}
                unit={unit}
                help={`${help} Default ${String(preset)}.`}
              />
            ),
          )}
        </div>
      )}
    </>
  );
}
