/** How long what was found out about a guest counts. */
import type { MigrationPrediction } from '#contracts';

/** Guests change what they do; six times the time after which hosts look again by themselves. */
const VALID_MS = 3_600_000;

/** What compression and XBZRLE make of the guest's pages; null where nobody knows, or has looked for an hour. */
export type Samples = Pick<MigrationPrediction, 'compressedShare' | 'deltaShare'>;

export function samplesOf(prediction: MigrationPrediction | null, now: Date): Samples {
  const isRecent = prediction !== null && now.getTime() - Date.parse(prediction.at) <= VALID_MS;
  // A prediction that an older version has stored has none.
  const { compressedShare = null, deltaShare = null } = isRecent ? prediction : {};
  return { compressedShare, deltaShare };
}
