/** A cluster's scheduling policy: choose, set parameters, see what it would do, apply. */
import { Alert, Button, Form } from '@patternfly/react-core';
import { useState } from 'react';
import type { ClusterView, PlanView, SchedulingPolicy } from '#contracts';
import { useSession } from '../live/session.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { PlanDetails } from './plan-details.js';
import { PolicyFields, usePolicyForm } from './policy-form.js';
import { policyTitle } from './policy-words.js';
import { useDryRun } from './use-dry-run.js';

export function SchedulingEditor({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { say } = useToasts();
  const stored = cluster.schedulingPolicy;
  const policyForm = usePolicyForm(stored);
  const { isChanged, draft } = policyForm;
  const dryRun = useDryRun(cluster.id);
  const [applies, setApplies] = useState<SchedulingPolicy>();
  const choose = (chosen: SchedulingPolicy['name']) => {
    policyForm.choose(chosen);
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
          <PolicyFields policy={policyForm} onChoose={choose} />
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
