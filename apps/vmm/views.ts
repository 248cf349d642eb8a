/** What is left of the views behind their first bytes, when a call has taken only these. */
export function behind(views: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  const index = views.findIndex(({ length }) => {
    if (skip < length) return true;
    skip -= length;
    return false;
  });
  return index < 0 ? [] : [views[index]!.subarray(skip), ...views.slice(index + 1)];
}
