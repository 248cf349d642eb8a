/** Chance that can be repeated. */

/** Numbers in [0, 1) from a seed: the minimal standard generator with the multiplier 48271 (Park and Miller, 1993). */
export function dice(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = seed % modulus || 1;
  const next = () => {
    state = (state * 48_271) % modulus;
    return state / modulus;
  };
  for (let i = 0; i < 10; i++) next(); // small seeds begin with small numbers
  return next;
}

/** Normally distributed with mean 0 and deviation 1 (Box and Muller, 1958). */
export const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
