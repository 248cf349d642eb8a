/** States of plans and their moves, in words for administrators. */
import type { MoveState, PlannedMove, PlanMode, PlanView } from '#contracts';

export const PLAN_MODES: Record<PlanMode, { title: string; help: string }> = {
  automatic: { title: 'automatic', help: 'Plans are carried out.' },
  partially_automated: { title: 'partially automated', help: 'Plans wait for approval.' },
  manual: { title: 'manual', help: 'Plans are recommendations; people move VMs.' },
};

export const PLAN_STATUS: Record<NonNullable<PlanView['status']>, string> = {
  waiting: 'Waits for approval',
  recommended: 'Recommended',
  running: 'Is being carried out',
  completed: 'Is over',
  rejected: 'Was rejected',
  expired: 'Has expired',
};

export const MOVE_STATE: Record<MoveState, string> = {
  proposed: 'proposed',
  approved: 'comes next',
  rejected: 'rejected',
  started: 'moves',
  completed: 'arrived',
  failed: 'failed',
  dropped: 'dropped',
};

export const isProposed = ({ state }: Pick<PlannedMove, 'state'>): boolean => state === 'proposed';

/** Plans that people should look at. */
export const isForPeople = ({ status, moves }: PlanView): boolean =>
  status === 'waiting' || status === 'recommended' || (status === 'running' && moves.some(isProposed));
