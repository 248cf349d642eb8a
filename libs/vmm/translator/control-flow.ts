/**
 * The order in which a region's blocks are written, and which of them dominate which. WebAssembly has no goto, so loops
 * must be such that they are entered at one place, their header: the graph must be reducible.
 */

export interface FlowGraph {
  /** In reverse postorder: each block before its successors, but for edges that go back. The entry is first. */
  readonly order: readonly number[];
  /** Of each block: its place in `order`. */
  readonly rank: readonly number[];
  /** Of each block: the closest one that every way to it passes; the entry's is itself. */
  readonly dominator: readonly number[];
  /** Of each block: what may follow it. Edges into the middle of a loop are gone. */
  readonly successors: readonly (readonly number[])[];
}

/**
 * Analyses a graph in which every node can be reached from node 0. Edges that go back to a node that does not dominate
 * their source are cut out; the translation leaves the region there.
 */
export function analyse(all: readonly (readonly number[])[]): FlowGraph {
  const order = reversePostorder(all);
  const rank = invert(order);
  const dominates = dominance(immediateDominators(order, rank, all));
  const successors = all.map((targets, node) =>
    targets.filter((target) => rank[target]! > rank[node]! || dominates(target, node)),
  );
  return { order, rank, dominator: immediateDominators(order, rank, successors), successors };
}

/** Without recursion, since a chain of blocks may be long. */
function reversePostorder(successors: readonly (readonly number[])[]): number[] {
  const postorder: number[] = [];
  const seen = new Set([0]);
  const path = [{ node: 0, next: 0 }];
  while (path.length > 0) {
    const top = path.at(-1)!;
    const target = successors[top.node]![top.next++];
    if (target === undefined) {
      postorder.push(top.node);
      path.pop();
    } else if (!seen.has(target)) {
      seen.add(target);
      path.push({ node: target, next: 0 });
    }
  }
  return postorder.toReversed();
}

function invert(order: readonly number[]): number[] {
  const rank: number[] = [];
  order.forEach((node, index) => (rank[node] = index));
  return rank;
}

/** Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm" (2001). */
function immediateDominators(
  order: readonly number[],
  rank: readonly number[],
  successors: readonly (readonly number[])[],
): number[] {
  const predecessors: number[][] = successors.map(() => []);
  successors.forEach((targets, node) => targets.forEach((target) => predecessors[target]!.push(node)));
  const dominator: (number | undefined)[] = successors.map(() => undefined);
  dominator[0] = 0;
  const meet = (a: number, b: number) => {
    let [left, right] = [a, b];
    while (left !== right) {
      if (rank[left]! > rank[right]!) left = dominator[left]!;
      else right = dominator[right]!;
    }
    return left;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order.slice(1)) {
      const known = predecessors[node]!.filter((predecessor) => dominator[predecessor] !== undefined);
      const found = known.reduce(meet);
      if (dominator[node] === found) continue;
      dominator[node] = found;
      changed = true;
    }
  }
  return dominator as number[];
}

/** True if every way from the entry to `node` passes `above`. */
function dominance(dominator: readonly number[]): (above: number, node: number) => boolean {
  return (above, node) => {
    for (let at = node; ; at = dominator[at]!) {
      if (at === above) return true;
      if (at === 0) return false;
    }
  };
}
