import type { PlanView } from '#contracts';
import type { WholePlan } from '#database';

export const planView = (plan: WholePlan): PlanView => ({
  ...plan,
  createdAt: plan.createdAt.toISOString(),
  endedAt: plan.endedAt?.toISOString() ?? null,
});
