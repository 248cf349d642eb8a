/** How long the soak tests run, and with what seed: from the environment. */

/** A positive whole number from the environment. Throws if it is something else. */
export function setting(name: string, otherwise: number): number {
  const text = process.env[name] ?? String(otherwise);
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${name}=${text}: give a whole number from 1`);
  return Number(text);
}

/** The seed of this run; says which one it is, so that a failure can be repeated. */
export function announcedSeed(test: string): number {
  const seed = setting('DROVER_SOAK_SEED', (Date.now() % 1_000_000_000) + 1);
  console.log(`${test}: DROVER_SOAK_SEED=${seed}`);
  return seed;
}
