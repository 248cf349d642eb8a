import { expect, test } from 'vitest';
import { closure, dependencies, likelyPackages } from './closure.js';

const NEEDS: Readonly<Record<string, readonly string[]>> = {
  program: ['libb', 'libc'],
  libb: ['libc', 'liba'],
  liba: ['libb'], // a cycle
  libc: [],
  other: ['absent', 'libc'],
};
const needsOf = (name: string) => NEEDS[name];

test('the closure has each name once, and what is needed before who needs it', () => {
  expect(closure(['program'], needsOf)).toEqual({ found: ['libc', 'liba', 'libb', 'program'], missing: new Map() });
});

test('what is missing is told with who asked for it', () => {
  const { found, missing } = closure(['other', 'nothing'], needsOf);
  expect(found).toEqual(['libc', 'other']);
  expect([...missing]).toEqual([
    ['absent', 'other'],
    ['nothing', 'nothing'],
  ]);
});

test.each([
  ['libacl.so.1', ['libacl1', 'libc6'], ['libacl1']],
  ['libglib-2.0.so.0', ['libatomic1', 'libglib2.0-0t64'], ['libglib2.0-0t64']],
  ['libstdc++.so.6', ['libstdc++6', 'libc6'], ['libstdc++6']],
  ['libgcc_s.so.1', ['libgcc-s1', 'gcc-14-base'], ['libgcc-s1']],
  ['libGLdispatch.so.0', ['libc6', 'libglvnd0'], ['libc6', 'libglvnd0']], // no name tells: all of them
])('%s is looked for in %j first', (soname, candidates, likely) => {
  expect(likelyPackages(soname, candidates)).toEqual(likely);
});

test('a Depends field gives names, the first of alternatives, without versions', () => {
  expect(dependencies('libc6 (>= 2.41), libegl1 | libegl-mesa0, init-system-helpers:any (>= 1.54~),zlib1g')).toEqual([
    'libc6',
    'libegl1',
    'init-system-helpers',
    'zlib1g',
  ]);
  expect(dependencies('')).toEqual([]);
});
