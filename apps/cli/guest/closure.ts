/** What programs and kernel modules need besides themselves, all the way down. */

/** What is needed, each name once, what is needed before who needs it; and what was not found, with who asked for it. */
export interface Closure {
  readonly found: readonly string[];
  readonly missing: ReadonlyMap<string, string>;
}

/**
 * Follows `needsOf` from `roots`. It answers what a name needs, or undefined if nothing of that name is there. Cycles are
 * walked once.
 */
export function closure(roots: readonly string[], needsOf: (name: string) => readonly string[] | undefined): Closure {
  const found = new Set<string>();
  const missing = new Map<string, string>();
  const seen = new Set<string>();
  const visit = (name: string, askedBy: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const needs = needsOf(name);
    if (!needs) return void missing.set(name, askedBy);
    for (const need of needs) visit(need, name);
    found.add(name);
  };
  for (const root of roots) visit(root, root);
  return { found: [...found], missing };
}

/** Debian names a library's package after its soname as a rule (Debian Policy, 8.1): libacl.so.1 is in libacl1. */
const plainName = (name: string): string =>
  name
    .toLowerCase()
    .replace('.so.', '')
    .replaceAll(/[^a-z0-9+]/g, '');

/**
 * Which of the `candidates` to look into for a library: those that are named after it, or else all of them. Looking into
 * too many costs time alone, since what a package really has is seen when it is unpacked.
 */
export function likelyPackages(soname: string, candidates: readonly string[]): readonly string[] {
  const alike = candidates.filter((candidate) => plainName(candidate).startsWith(plainName(soname)));
  return alike.length > 0 ? alike : candidates;
}

/** Package names of a Depends field, the first of each alternative, without versions and architectures. */
export function dependencies(field: string): string[] {
  return field
    .split(',')
    .map((alternatives) => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(alternatives)?.[1])
    .filter((name) => name !== undefined);
}
