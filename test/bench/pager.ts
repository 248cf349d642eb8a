/** What the console of a pager says: that it goes on, and that no page was ever wrong. */

/**
 * Sequence numbers of the heartbeats, checked: they count up by one from 1, across every process that the guest has been
 * in. Throws if one is missing or the guest has found a bad page.
 */
export function heartbeats(console: string): number {
  const error = /PAGER ERROR.*/.exec(console)?.[0];
  if (error) throw new Error(`the guest has lost memory: ${error}`);
  let expected = 1;
  for (const [line, sequence] of console.matchAll(/pager seq=(\d+) time_ms=\d+ written_mib=\d+ checked_pages=\d+/g)) {
    if (Number(sequence) !== expected) throw new Error(`the guest said ${line} when seq=${expected} was due`);
    expected++;
  }
  return expected - 1;
}
