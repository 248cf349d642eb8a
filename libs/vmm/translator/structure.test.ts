import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyse } from './control-flow.js';
import { structure, type Shape } from './structure.js';

/** Graphs of up to 12 nodes with up to two edges from each; what cannot be reached from node 0 is left out. */
const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.array(fc.array(fc.nat(size - 1), { maxLength: 2 }), { minLength: size, maxLength: size }).map(reachable),
  );

function reachable(successors: number[][]): number[][] {
  const seen = new Set([0]);
  for (const node of seen) for (const target of successors[node]!) seen.add(target);
  const numbers = new Map([...seen].map((node, index) => [node, index]));
  return [...seen].map((node) => successors[node]!.map((target) => numbers.get(target)!));
}

/** Where each edge leads when the shape is read as WebAssembly reads it. */
function edgesOf(shape: Shape): Map<number, Set<number>> {
  const edges = new Map<number, Set<number>>();
  const first = (inner: Shape): number =>
    inner.kind === 'node' ? inner.node : inner.kind === 'loop' ? first(inner.body) : first(inner.body);
  const walk = (inner: Shape, headers: readonly number[], follows: readonly number[]): void => {
    if (inner.kind === 'loop') {
      expect(first(inner.body)).toBe(inner.header);
      walk(inner.body, [...headers, inner.header], follows);
    } else if (inner.kind === 'block') {
      expect(first(inner.behind)).toBe(inner.follow);
      walk(inner.body, headers, [...follows, inner.follow]);
      walk(inner.behind, headers, follows);
    } else {
      expect(edges.has(inner.node), `node ${inner.node} is placed once`).toBe(false);
      edges.set(inner.node, new Set(inner.edges.keys()));
      for (const [target, edge] of inner.edges) {
        if (edge.kind === 'again') expect(headers).toContain(target);
        else if (edge.kind === 'leave') expect(follows).toContain(target);
        else {
          expect(first(edge.shape)).toBe(target);
          walk(edge.shape, headers, follows);
        }
      }
    }
  };
  walk(shape, [], []);
  return edges;
}

test('every node is placed once, and every edge is one that WebAssembly has', () => {
  fc.assert(
    fc.property(graphs, (successors) => {
      const flow = analyse(successors);
      const edges = edgesOf(structure(flow));
      expect([...edges.keys()].toSorted((a, b) => a - b)).toEqual(successors.map((_, node) => node));
      for (const [node, targets] of edges) expect(targets).toEqual(new Set(flow.successors[node]));
    }),
    { numRuns: 1000 },
  );
});

test('only edges into the middle of a loop are cut', () => {
  fc.assert(
    fc.property(graphs, (successors) => {
      const flow = analyse(successors);
      successors.forEach((targets, node) => {
        for (const target of targets) {
          if (flow.successors[node]!.includes(target)) continue;
          expect(flow.rank[target]!).toBeLessThanOrEqual(flow.rank[node]!);
          expect(isDominated(successors, node, target)).toBe(false);
        }
      });
    }),
    { numRuns: 1000 },
  );
});

/** By definition: without `above`, `node` cannot be reached. */
function isDominated(successors: number[][], node: number, above: number): boolean {
  if (node === above) return true;
  const seen = new Set([0]);
  if (above === 0) return true;
  for (const at of seen) for (const target of successors[at]!) if (target !== above) seen.add(target);
  return !seen.has(node);
}

test('a loop stays a loop, and what follows it comes behind', () => {
  // 0 -> 1; 1 -> 2 or 3; 2 -> 1
  const shape = structure(analyse([[1], [2, 3], [1], []]));
  expect(shape).toMatchObject({ kind: 'node', node: 0 });
  const loop = (shape as Extract<Shape, { kind: 'node' }>).edges.get(1);
  expect(loop).toMatchObject({ kind: 'inline', shape: { kind: 'loop', header: 1 } });
});

test('a loop with two entries is cut open', () => {
  // 0 -> 1 or 2; 1 -> 2; 2 -> 1
  const { successors } = analyse([[1, 2], [2], [1]]);
  expect(successors.flat()).toHaveLength(3);
});
