/** What is known of a VM that nobody has watched yet, and that nothing keeps where it is. */
import type { VmFacts } from './facts.js';

export const UNWATCHED_VM = {
  status: 'up',
  labels: [],
  networkUsedMiBps: null,
  history: null,
  prediction: null,
  memoryUsedMiB: null,
  dirtyRateMiBps: null,
  cooldownUntilMs: null,
  recentMoves: [],
  immovableReason: null,
  isLeftToPeople: false,
} as const satisfies Partial<VmFacts>;
