/** What a load has been like: kept as a few figures that each new measurement changes, so that any store can hold them. */

export interface LoadHistory {
  /** How long it has been watched. */
  readonly observedMs: number;
  /** Exponentially weighted over about HISTORY_HOURS. */
  readonly meanCores: number;
  readonly standardDeviationCores: number;
  /** The same over about RECENT_MINUTES: what is expected next. */
  readonly recentMeanCores: number;
  /** The highest of late; it sinks to the mean within the hours of the history. */
  readonly recentMaxCores: number;
}

const HISTORY_HOURS = 4;
const RECENT_MINUTES = 20;

/**
 * The history with one more measurement, `elapsedMs` after the last one. Mean and variance are those of West,
 * "Updating mean and variance estimates" (1979), in their exponentially weighted form; until the history is as long as
 * its window, every measurement weighs the same.
 */
export function observe(history: LoadHistory | null, cores: number, elapsedMs: number): LoadHistory {
  if (!history) {
    return {
      observedMs: elapsedMs,
      meanCores: cores,
      standardDeviationCores: 0,
      recentMeanCores: cores,
      recentMaxCores: cores,
    };
  }
  const observedMs = history.observedMs + elapsedMs;
  const weightIn = (windowMs: number) => Math.max(1 - Math.exp(-elapsedMs / windowMs), elapsedMs / observedMs);
  const weight = weightIn(HISTORY_HOURS * 3_600_000);
  const difference = cores - history.meanCores;
  const meanCores = history.meanCores + weight * difference;
  const variance = (1 - weight) * (history.standardDeviationCores ** 2 + weight * difference ** 2);
  const recentWeight = weightIn(RECENT_MINUTES * 60_000);
  return {
    observedMs,
    meanCores,
    standardDeviationCores: Math.sqrt(variance),
    recentMeanCores: history.recentMeanCores + recentWeight * (cores - history.recentMeanCores),
    recentMaxCores: Math.max(cores, history.recentMaxCores - weight * (history.recentMaxCores - meanCores)),
  };
}
