/** Buttons that approve or reject a plan, or one of its moves. */
import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { DecidePlan, type PlanView } from '#contracts';
import { TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { plural } from '../parts/figures.js';
import { useToasts } from '../parts/toasts.js';
import { isProposed } from './plan-words.js';

type Verb = 'approve' | 'reject';

export interface Deciding {
  readonly verb: Verb;
  /** Undefined: all that wait. */
  readonly move?: number;
}

interface DialogProps extends Deciding {
  readonly plan: PlanView;
  readonly onClose: () => void;
}

export function PlanDecisionDialog({ plan, verb, move, onClose }: DialogProps) {
  const { client } = useSession();
  const { say } = useToasts();
  const form = useForm({ schema: DecidePlan.pick({ reason: true }), initial: { reason: '' } });
  const what =
    move === undefined
      ? plural(plan.moves.filter(isProposed).length, 'move')
      : `the move of ${plan.moves[move]!.vmName}`;
  const save = async () => {
    const moves = move === undefined ? undefined : [move];
    const done = await form.submit(({ reason }) => client.plans[verb](plan.id, { moves, reason }));
    if (!done) return;
    say(verb === 'approve' ? `Approved: ${what}` : `Rejected: ${what}`);
    onClose();
  };
  return (
    <FormDialog
      title={verb === 'approve' ? `Approve ${what}?` : `Reject ${what}?`}
      description={
        verb === 'approve'
          ? 'VMs move as soon as those that they wait for have arrived.'
          : 'What waits for them is not moved either. Policies leave the VMs where they are for a while.'
      }
      form={form}
      verb={verb === 'approve' ? 'Approve' : 'Reject'}
      isDanger={verb === 'reject'}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      <TextField form={form} name="reason" label="Reason" help="Kept with the decision; may be left empty." />
    </FormDialog>
  );
}

/** For all moves of the plan that wait. */
export function PlanDecisionButtons({ plan }: { plan: PlanView }) {
  const [verb, setVerb] = useState<Verb>();
  if (plan.status === 'recommended' || !plan.moves.some(isProposed)) return null;
  return (
    <>
      <Button size="sm" onClick={() => setVerb('approve')}>
        Approve…
      </Button>{' '}
      <Button size="sm" variant="secondary" onClick={() => setVerb('reject')}>
        Reject…
      </Button>
      {verb && <PlanDecisionDialog plan={plan} verb={verb} onClose={() => setVerb(undefined)} />}
    </>
  );
}
