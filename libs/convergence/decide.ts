/**
 * What to do now about a migration that may not converge: nothing, or one step of a means that its policy allows. It is
 * asked again and again, at pass boundaries and by the clock, by the controller or by the agent, and answers the same.
 */
import type { Convergence, ConvergenceFacts, DecisionFigures } from '#contracts';
import { type Candidate, candidatesOf, type Situation } from './candidates.js';
import { costMs, isCertain, isFree, slowedShare, withStep } from './effects.js';
import { ENDLESS, type Estimate, type Outlook, precopyEstimate } from './estimate.js';
import { effective, higher, measure, type Rates } from './rates.js';
import { bytesText, meansText, rateText, timeText } from './words.js';

export interface Decision {
  /** `restart`: cancel, and begin again with it, for the process cannot change it in flight. */
  readonly action: 'wait' | 'apply' | 'restart';
  /** What is applied; null to wait. */
  readonly step: { readonly means: Candidate['means']; readonly value: number | null } | null;
  readonly reason: string;
  readonly figures: DecisionFigures;
}

/** What a step may add to its estimate before the deadline is in danger. */
const MARGIN = 1.3;
/** Orders reach a migration with the next heartbeat. */
const REACTION_MS = 1500;
/** How long a step is given to show what it does, as a share of the deadline. */
const SETTLE_SHARE = 0.05;
const SETTLE_MS = { least: 250, most: 10_000 };
/** Of a guest of which nothing is known: all it has is written anew at once. */
const UNKNOWN_RATE = Number.MAX_SAFE_INTEGER;
/** So many times the length of the last pass after a step, two passes are overdue: the clock judges. */
const LONG_PASSES = 3;
/** What a harsher step may cost the guest, as a share of what a milder one does, to be taken instead. */
const CHEAPER = 0.9;

/** `nowMs`: of the clock that the facts were taken by. */
export function decide(facts: ConvergenceFacts, policy: Convergence, nowMs: number): Decision {
  const rates = measure(facts, nowMs);
  const leftMs = facts.startedAtMs + policy.deadlineSeconds * 1000 - nowMs;
  const outlook = outlookOf(facts, rates);
  const presentPass = { restMs: rates.restMs, writtenBytes: rates.rewrittenBytes };
  const slowed = slowedShare(effective(facts.decisions), facts.vcpus);
  const now = outlook ? precopyEstimate(outlook, presentPass, slowed) : ENDLESS;
  const situation = outlook && { facts, policy, rates, outlook, applied: effective(facts.decisions), nowMs };
  const candidates = situation ? candidatesOf(situation) : [];
  const figures = figuresOf(facts, rates, now, candidates, leftMs, nowMs);
  const wait = (reason: string): Decision => ({ action: 'wait', step: null, reason, figures });

  if (facts.phase !== 'precopy') return wait('there is nothing to decide now');
  if (effective(facts.decisions).some(({ means }) => isCertain(means))) return wait('it is about to end');
  if (!situation) return wait('nothing is known of the link yet');
  const possible = candidates.filter(({ obstacle }) => obstacle === null);
  const settleMs = Math.min(SETTLE_MS.most, Math.max(SETTLE_MS.least, policy.deadlineSeconds * 1000 * SETTLE_SHARE));
  if (facts.passes.length === 0 && rates.passMs < settleMs) return wait('it has only just begun');
  const surest = surestOf(possible);
  const slackMs = Math.min(REACTION_MS, settleMs * 2);
  const isUrgent = surest !== null && Number.isFinite(surest.totalMs) && leftMs <= surest.totalMs * MARGIN + slackMs;
  if (!isUrgent && !isDue(facts, nowMs, settleMs)) return wait('the last step has not had time to show what it does');
  const meets = now.totalMs <= leftMs;
  if (meets && (!isUrgent || now.totalMs * MARGIN <= surest.totalMs))
    return wait(`as it goes it ends in about ${timeText(now.totalMs)}, before its deadline in ${timeText(leftMs)}`);
  if (!isUrgent && facts.passes.length === 0) return wait('the first pass tells what the guest writes');
  const chosen = isUrgent ? surest : choose(situation, possible, now, leftMs, surest);
  if (!chosen) return wait(`${problemText(facts, rates, now, leftMs)}; no allowed means is left`);
  const why = isUrgent ? 'no time is left for anything milder' : verdictOn(chosen, leftMs);
  return {
    action: chosen.restart ? 'restart' : 'apply',
    step: { means: chosen.means, value: chosen.value },
    reason: `${problemText(facts, rates, now, leftMs)}; ${meansText(chosen)}: ${why}`,
    figures: { ...figures, candidates: told(candidates, leftMs, chosen) },
  };
}

/** Link and guest with all steps in force, those that no pass has shown yet by what they are expected to do. */
function outlookOf(facts: ConvergenceFacts, rates: Rates): Outlook | null {
  const { bytesPerMs, hotBytes, decisionsMeasured } = rates;
  if (bytesPerMs === null) return null;
  const byPasses = rates.dirtyBytesPerMs ?? (facts.dirtyBytesPerMs === null ? UNKNOWN_RATE : 0);
  const measured = { bytesPerMs, dirtyBytesPerMs: byPasses, hotBytes, downtimeLimitMs: facts.downtimeLimitMs };
  const decisions = effective(facts.decisions);
  const expected = decisions.reduce<Outlook>(
    (outlook, step, index) =>
      index < decisionsMeasured ? outlook : withStep(outlook, step, facts, decisions.slice(0, index)),
    measured,
  );
  return { ...expected, dirtyBytesPerMs: Math.max(expected.dirtyBytesPerMs, facts.dirtyBytesPerMs ?? 0) };
}

/** A whole pass has followed the last step, or it should have by now. */
function isDue({ decisions, passes, startedAtMs }: ConvergenceFacts, nowMs: number, settleMs: number): boolean {
  const last = decisions.at(-1);
  if (last?.failure != null) return true;
  const pass = passes.at(-1);
  if ((pass?.number ?? 0) > (last ? last.pass + 1 : 0)) return true;
  const sinceMs = nowMs - (last ? Date.parse(last.at) : startedAtMs);
  return sinceMs >= Math.max(settleMs, LONG_PASSES * (pass?.durationMs ?? 0));
}

/** The one that ends it by the link alone, else the soonest; of two that are alike, the milder one. */
function surestOf(candidates: readonly Candidate[]): Candidate | null {
  const certain = candidates.filter(({ means }) => isCertain(means));
  return soonest(certain.length > 0 ? certain : candidates);
}

const soonest = (candidates: readonly Candidate[]): Candidate | null =>
  candidates.reduce<Candidate | null>((best, each) => (!best || each.totalMs < best.totalMs ? each : best), null);

function choose(
  situation: Situation,
  possible: readonly Candidate[],
  now: Estimate,
  leftMs: number,
  surest: Candidate | null,
): Candidate | null {
  if (situation.policy.mode === 'ordered') return possible[0] ?? null;
  const cheapest = cheapestOf(possible.filter((step) => isInTime(step, leftMs)));
  // What costs the guest nothing is worth a try, though it may be late, while there is time for what is sure.
  const free = possible.find(({ means, totalMs, restart }) => isFree(means) && !restart && Number.isFinite(totalMs));
  if (free && (!cheapest || !isFree(cheapest.means))) return free;
  if (cheapest) return cheapest;
  if (surest && surest.totalMs < now.totalMs) return isCertain(surest.means) ? surest : soonest(possible);
  return possible.at(-1) ?? null;
}

const isInTime = ({ means, totalMs }: Candidate, leftMs: number): boolean =>
  totalMs * (isCertain(means) ? 1 : MARGIN) <= leftMs;

/** What costs the guest least; a harsher means only if that shows, and to stand still if there is nothing else. */
function cheapestOf(inTime: readonly Candidate[]): Candidate | null {
  const cost = (step: Candidate) => costMs(step, step);
  const moving = inTime.filter(({ means }) => means !== 'suspend');
  return (moving.length > 0 ? moving : inTime).reduce<Candidate | null>((best, each) => {
    if (!best) return each;
    return cost(each) < (each.means === best.means ? 1 : CHEAPER) * cost(best) ? each : best;
  }, null);
}

const verdictOn = ({ totalMs, downtimeMs, lostMs }: Candidate, leftMs: number): string =>
  Number.isFinite(totalMs)
    ? `expected to end in about ${timeText(totalMs)} with a pause of ${timeText(downtimeMs)}, ${timeText(lostMs)} of the guest's time lost${totalMs > leftMs ? ', late but soonest' : ''}`
    : 'not expected to be enough alone';

function problemText(facts: ConvergenceFacts, rates: Rates, now: Estimate, leftMs: number): string {
  const rate = dirtyRateOf(facts, rates);
  const writes = rate === null ? 'an unknown amount' : rateText(rate);
  const end = Number.isFinite(now.totalMs) ? `would take ${timeText(now.totalMs)} more` : 'would not end';
  const deadline = leftMs > 0 ? `${timeText(leftMs)} are left` : `the deadline passed ${timeText(-leftMs)} ago`;
  return `the guest writes ${writes}, the link carries ${rateText(rates.bytesPerMs ?? 0)}, ${bytesText(facts.remainingBytes)} remain: as it goes it ${end}, ${deadline}`;
}

/** In passes, or in shorter whiles, which see pages that are written again and again more than once. */
const dirtyRateOf = (facts: ConvergenceFacts, rates: Rates) => higher(rates.dirtyBytesPerMs, facts.dirtyBytesPerMs);

const finite = (value: number) => (Number.isFinite(value) ? value : null);
const perSecond = (bytesPerMs: number | null) => (bytesPerMs === null ? null : (bytesPerMs * 1000) / 2 ** 20);

function figuresOf(
  facts: ConvergenceFacts,
  rates: Rates,
  now: Estimate,
  candidates: readonly Candidate[],
  leftMs: number,
  nowMs: number,
): DecisionFigures {
  return {
    elapsedMs: nowMs - facts.startedAtMs,
    leftMs,
    remainingBytes: facts.remainingBytes,
    bandwidthMiBps: perSecond(rates.bytesPerMs),
    dirtyRateMiBps: perSecond(dirtyRateOf(facts, rates)),
    expectedTotalMs: finite(now.totalMs),
    expectedDowntimeMs: finite(now.downtimeMs),
    candidates: told(candidates, leftMs, null),
  };
}

/** One line for each means: the step that was chosen, or the strongest one. */
function told(
  candidates: readonly Candidate[],
  leftMs: number,
  chosen: Candidate | null,
): DecisionFigures['candidates'] {
  const lines = new Map<string, Candidate>();
  for (const each of candidates) if (lines.get(each.means) !== chosen || !chosen) lines.set(each.means, each);
  return [...lines.values()].map((each) => ({
    means: each.means,
    value: each.value,
    totalMs: finite(each.totalMs),
    downtimeMs: finite(each.downtimeMs),
    lostMs: finite(each.lostMs),
    verdict: each === chosen ? '' : verdictAgainst(each, leftMs, chosen),
  }));
}

function verdictAgainst(step: Candidate, leftMs: number, chosen: Candidate | null): string {
  if (step.obstacle !== null) return step.obstacle;
  if (!Number.isFinite(step.totalMs)) return 'would not end it';
  if (step.totalMs > leftMs) return 'would end it after the deadline';
  return chosen && costMs(step, step) > costMs(chosen, chosen) ? 'would cost the guest more' : 'not needed yet';
}
