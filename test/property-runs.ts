/** How many examples a property is tried with: few in each `npm test`, ten times as many in a soak. */
export const often = (usual: number): { readonly numRuns: number } => ({
  numRuns: process.env.DROVER_SOAK === '1' ? 10 * usual : usual,
});
