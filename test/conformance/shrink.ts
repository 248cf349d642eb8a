/** Makes a program that shows something as short as it can be while it still shows it. */
import type { Program } from './program.js';

/**
 * The shortest program found, by leaving out blocks and then steps, first many and then few at a time (Zeller,
 * Hildebrandt: "Simplifying and isolating failure-inducing input"). Its set-up stays, since without it other things go
 * wrong. `shows` must be true for the program itself, and may throw for one that is no good.
 */
export function shrink(program: Program, shows: (candidate: Program) => boolean): Program {
  const isGood = (candidate: Program) => {
    try {
      return shows(candidate);
    } catch {
      return false; // such as one that does not end
    }
  };
  const blocks = leaveOut(program.blocks, (fewer) => isGood({ ...program, blocks: fewer }));
  const places = blocks.flatMap((steps, block) => steps.map((step) => ({ block, step })));
  const built = (kept: typeof places): Program => {
    const stepsOf = (block: number) => kept.filter((place) => place.block === block).map(({ step }) => step);
    return { ...program, blocks: blocks.map((_, block) => stepsOf(block)) };
  };
  return built(leaveOut(places, (fewer) => isGood(built(fewer))));
}

/** The fewest items found that are still good, in their order. */
export function leaveOut<T>(items: readonly T[], isGood: (fewer: T[]) => boolean): T[] {
  let kept = [...items];
  let size = Math.ceil(kept.length / 2);
  while (size >= 1) {
    const before = kept.length;
    for (let from = kept.length - size; from > -size; from -= size) {
      const fewer = [...kept.slice(0, Math.max(from, 0)), ...kept.slice(from + size)];
      if (fewer.length < kept.length && isGood(fewer)) kept = fewer;
    }
    if (size === 1 && kept.length === before) break;
    size = size === 1 ? 1 : Math.ceil(Math.min(size, kept.length) / 2);
  }
  return kept;
}
