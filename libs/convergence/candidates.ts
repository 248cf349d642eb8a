/** Which steps a policy still has for a migration, and how each would end it. */
import { type AllowedMeans, type Convergence, type ConvergenceFacts, Means, type MigrationDecision } from '#contracts';
import { estimateStep, hasHelped, isCertain, type Step, stepsOf } from './effects.js';
import type { Estimate, Outlook } from './estimate.js';
import { linkTrouble, type Rates } from './rates.js';

export interface Candidate extends Step, Estimate {
  /** The migration has to be cancelled and begun again for it. */
  readonly restart: boolean;
  /** Why it is out of the question; null if it is not. */
  readonly obstacle: string | null;
}

const rank = (means: Means) => Means.options.indexOf(means);

export interface Situation {
  readonly facts: ConvergenceFacts;
  readonly policy: Convergence;
  readonly rates: Rates;
  readonly outlook: Outlook;
  /** What the outlook has in it. */
  readonly applied: readonly MigrationDecision[];
  readonly nowMs: number;
}

/** All steps beyond what has been applied: in the policy's order, or the mildest means first. */
export function candidatesOf(situation: Situation): Candidate[] {
  const { policy, facts } = situation;
  const ordered =
    policy.mode === 'ordered' ? policy.means : policy.means.toSorted((a, b) => rank(a.means) - rank(b.means));
  const position = (means: Means) => ordered.findIndex((allowed) => allowed.means === means);
  const reached = Math.max(-1, ...facts.decisions.map(({ means }) => position(means)));
  return ordered.slice(Math.max(0, reached)).flatMap((allowed) => candidatesFor(allowed, situation));
}

function candidatesFor(allowed: AllowedMeans, { facts, rates, outlook, applied, nowMs }: Situation): Candidate[] {
  const { means } = allowed;
  const atHand = facts.atHand.find((each) => each.means === means);
  const restart = atHand !== undefined && !atHand.inFlight;
  const steps = remainingSteps(allowed, facts);
  return steps.map((step) => {
    const estimate = estimateStep(outlook, step, facts, applied, rates, restart);
    return { ...step, ...estimate, restart, obstacle: obstacleTo(allowed, facts, estimate, !!atHand, nowMs) };
  });
}

/** A means that did not help is not tried a little harder: it gets its maximum once, or is done with. */
function remainingSteps(allowed: AllowedMeans, facts: ConvergenceFacts): Step[] {
  const { means } = allowed;
  const tried = facts.decisions.filter((decision) => decision.means === means);
  const steps = stepsOf(allowed, facts, tried);
  const last = tried.at(-1);
  if (!last || means === 'downtime_limit') return steps;
  if (last.failure !== null) return [];
  return hasHelped(last, facts) === false ? steps.slice(-1) : steps;
}

function obstacleTo(
  allowed: AllowedMeans,
  { samples, decisions }: ConvergenceFacts,
  { downtimeMs }: Estimate,
  isAtHand: boolean,
  nowMs: number,
): string | null {
  if (!isAtHand) return "the VM's process has no such means";
  if (allowed.means === 'post_copy') return linkTrouble(samples, nowMs);
  if (allowed.means === 'suspend' && allowed.maximumMs !== null && downtimeMs > allowed.maximumMs)
    return `the guest would stand still for ${Math.round(downtimeMs)} ms, longer than the ${allowed.maximumMs} ms allowed`;
  if (decisions.some(({ means }) => isCertain(means))) return 'the migration is about to end by other means';
  return null;
}
