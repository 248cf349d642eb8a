/** A cluster's scheduling policy: choose, set parameters, see what it would do, apply. */
import { Alert, Button, Form, Radio } from '@patternfly/react-core';
import { useState } from 'react';
import { z } from 'zod';
import { type ClusterView, type PlanView, SCHEDULING_PARAMETERS, SchedulingPolicy } from '#contracts';
import { CheckField, NumberField } from '../forms/fields.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { PlanDetails } from './plan-details.js';
import { hasParameters, parametersOf, POLICIES, policyTitle } from './policy-words.js';
import { useDryRun } from './use-dry-run.js';

type Values = Record<string, unknown>;

/** What the form begins with: the policy's own parameters if it is the stored one, otherwise the defaults. */
const valuesOf = (name: SchedulingPolicy['name'], stored: SchedulingPolicy): Values => {
  if (stored.name === name && 'parameters' in stored) return { ...stored.parameters };
  return hasParameters(name) ? { ...SCHEDULING_PARAMETERS[name].parse({}) } : {};
};
const schemaOf = (name: SchedulingPolicy['name']) =>
  hasParameters(name) ? SCHEDULING_PARAMETERS[name] : NO_PARAMETERS;
const NO_PARAMETERS = z.object({});
const NAMES = Object.keys(POLICIES) as SchedulingPolicy['name'][];

export function SchedulingEditor({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { say } = useToasts();
  const stored = cluster.schedulingPolicy;
  const [name, setName] = useState(stored.name);
  const form = useForm<z.ZodObject>({ schema: schemaOf(name), initial: valuesOf(stored.name, stored) });
  const dryRun = useDryRun(cluster.id);
  const [applies, setApplies] = useState<SchedulingPolicy>();
  const parameters = parametersOf(name);

  const isChanged =
    name !== stored.name || parameters.some((one) => form.values[one.name] !== valuesOf(name, stored)[one.name]);
  /** What the form says, if it is valid. */
  const draft = (): SchedulingPolicy | undefined => {
    const checked = form.check();
    return checked && SchedulingPolicy.parse(hasParameters(name) ? { name, parameters: checked } : { name });
  };
  const choose = (chosen: SchedulingPolicy['name']) => {
    setName(chosen);
    form.reset(valuesOf(chosen, stored));
    dryRun.clear();
  };
  const reset = () => {
    choose(stored.name);
  };
  const tryIt = () => {
    const policy = draft();
    if (policy) dryRun.run(policy);
  };
  const askToApply = () => {
    const policy = draft();
    if (!policy) return;
    dryRun.run(policy);
    setApplies(policy);
  };

  return (
    <div className="policy-columns">
      <Panel title={`Scheduling policy of ${cluster.name}`}>
        <Form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            tryIt();
          }}
        >
          <div role="radiogroup" aria-label="Policy" className="policy-choice">
            {NAMES.map((one) => (
              <Radio
                key={one}
                id={`policy-${one}`}
                name="policy"
                label={POLICIES[one].title}
                description={POLICIES[one].help}
                isChecked={name === one}
                onChange={() => choose(one)}
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
          <div className="form-buttons">
            <Button variant="secondary" type="submit" isLoading={dryRun.isBusy}>
              Dry run
            </Button>
            <Button onClick={askToApply} isDisabled={!isChanged}>
              Apply…
            </Button>
            {isChanged && (
              <Button variant="link" onClick={reset}>
                Discard changes
              </Button>
            )}
            <span className="subtle">{isChanged ? 'Not applied yet.' : 'As it is applied now.'}</span>
          </div>
        </Form>
      </Panel>
      <Panel title="Dry run">
        <DryRunResult plan={dryRun.plan} error={dryRun.error} isBusy={dryRun.isBusy} />
      </Panel>
      {applies && (
        <ConfirmDialog
          wide
          title={`Apply ${policyTitle(applies.name)} to ${cluster.name}?`}
          verb="Apply policy"
          onClose={() => setApplies(undefined)}
          action={async () => {
            await client.clusters.update(cluster.id, { schedulingPolicy: applies });
            say(`${policyTitle(applies.name)} is applied to ${cluster.name}`);
          }}
        >
          <div className="stack">
            <p>From now on it decides every few seconds. With the load as it is now it would do this:</p>
            <DryRunResult plan={dryRun.plan} error={dryRun.error} isBusy={dryRun.isBusy} />
          </div>
        </ConfirmDialog>
      )}
    </div>
  );
}

function DryRunResult({ plan, error, isBusy }: { plan?: PlanView; error: unknown; isBusy: boolean }) {
  if (isBusy) return <LoadingPage />;
  if (error) return <ProblemAlert error={error} />;
  if (!plan)
    return (
      <p className="quiet">A dry run shows what the chosen policy would move now, and why; nothing is changed by it.</p>
    );
  return (
    <div className="stack">
      <Alert isInline isPlain variant="info" title="Nothing has been moved: this is what the policy would do now." />
      <PlanDetails plan={plan} />
    </div>
  );
}
