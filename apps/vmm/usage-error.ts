/** A command line that cannot be carried out; the message names the option and what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
