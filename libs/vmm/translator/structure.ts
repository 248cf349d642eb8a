/**
 * From a reducible flow graph to nested loops and blocks, as WebAssembly wants them. The algorithm is Ramsey's ("Beyond
 * Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow", ICFP 2022): walk the
 * dominator tree; a node that is the target of an edge that goes back becomes a loop around all that it dominates; a node
 * that several edges ahead lead to is placed behind a block that its dominator and all between are in, so that leaving
 * that block goes there; every other node is placed where the one edge to it is.
 */
import type { FlowGraph } from './control-flow.js';

export type Shape =
  /** The content of a loop begins with `header`; `again` edges to the header continue it. */
  | Readonly<{ kind: 'loop'; header: number; body: Shape }>
  /** Leaving the block, which `leave` edges to `follow` do, leads to `behind`. */
  | Readonly<{ kind: 'block'; follow: number; body: Shape; behind: Shape }>
  /** A node's own code, then one of its edges. */
  | Readonly<{ kind: 'node'; node: number; edges: ReadonlyMap<number, Edge> }>;

/** What an edge does, by the node that it leads to. */
export type Edge =
  | Readonly<{ kind: 'again' }>
  | Readonly<{ kind: 'leave' }>
  /** The target has no other edges to it and is placed here. */
  | Readonly<{ kind: 'inline'; shape: Shape }>;

export function structure({ order, rank, dominator, successors }: FlowGraph): Shape {
  const isBack = (from: number, to: number) => rank[to]! <= rank[from]!;
  const headers = new Set<number>();
  const edgesAhead = successors.map(() => 0);
  successors.forEach((targets, from) => {
    for (const to of targets) {
      if (isBack(from, to)) headers.add(to);
      else edgesAhead[to]!++;
    }
  });
  const isMerge = (node: number) => edgesAhead[node]! > 1;
  /** Merge nodes by the node that dominates them, in reverse postorder. */
  const merges: number[][] = successors.map(() => []);
  for (const node of order) if (isMerge(node)) merges[dominator[node]!]!.push(node);

  const place = (node: number): Shape => {
    const body = wrap(node, merges[node]!);
    return headers.has(node) ? { kind: 'loop', header: node, body } : body;
  };
  /** The node inside of blocks for the merge nodes behind it, the last one's outermost. */
  const wrap = (node: number, follows: readonly number[]): Shape => {
    const follow = follows.at(-1);
    if (follow === undefined) return { kind: 'node', node, edges: edgesOf(node) };
    return { kind: 'block', follow, body: wrap(node, follows.slice(0, -1)), behind: place(follow) };
  };
  const edgesOf = (from: number) =>
    new Map(
      successors[from]!.map((to): [number, Edge] => {
        if (isBack(from, to)) return [to, { kind: 'again' }];
        return [to, isMerge(to) ? { kind: 'leave' } : { kind: 'inline', shape: place(to) }];
      }),
    );
  return place(0);
}
