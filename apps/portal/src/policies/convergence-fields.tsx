/** What may be done about guests that write faster than they are sent. */
import { Checkbox, FormGroup } from '@patternfly/react-core';
import { AllowedMeans, type Convergence, Means } from '#contracts';
import { NumberField, SelectField } from '../forms/fields.js';
import type { Form } from '../forms/form.js';
import { MEANS_WORDS, settingsText } from './means-words.js';

const MODES = [
  { value: 'predictive', label: 'The mildest that ends it in time' },
  { value: 'ordered', label: 'One after the other, as listed' },
];

export function ConvergenceFields({ form }: { form: Form }) {
  const convergence = form.values.convergence as Convergence;
  const set = (name: string, value: unknown) => form.set('convergence', { ...convergence, [name]: value });
  const inner: Form = { ...form, values: { ...convergence }, set, errorOf: () => form.errorOf('convergence') };
  const choose = (means: Means, isChosen: boolean) => {
    const others = convergence.means.filter((each) => each.means !== means);
    const all = isChosen ? [...others, AllowedMeans.parse({ means })] : others;
    set(
      'means',
      all.toSorted((a, b) => Means.options.indexOf(a.means) - Means.options.indexOf(b.means)),
    );
  };
  return (
    <>
      <NumberField
        form={inner}
        name="deadlineSeconds"
        label="Deadline"
        unit="s"
        isRequired
        step={1}
        help="A guest that would take longer is helped with the means below."
      />
      <SelectField form={inner} name="mode" label="Choice of means" options={MODES} />
      <FormGroup label="Allowed means" role="group" fieldId="allowed-means">
        {Means.options.map((means) => {
          const allowed = convergence.means.find((each) => each.means === means);
          return (
            <Checkbox
              key={means}
              id={`means-${means}`}
              label={MEANS_WORDS[means].name}
              description={allowed ? settingsText(allowed) : MEANS_WORDS[means].what}
              isChecked={allowed !== undefined}
              onChange={(_, isChosen) => choose(means, isChosen)}
            />
          );
        })}
      </FormGroup>
    </>
  );
}
