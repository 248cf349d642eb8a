/** Which hosts a VM may, or had better, run on beside whom: oVirt's affinity groups. */
import type { AffinityGroup } from '#contracts';

/** What an affinity rule is asked about: a VM by id and labels, a host by id and labels. */
interface Labelled {
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
}
interface HostPlace {
  readonly index: number;
  readonly name: string;
  readonly facts: Labelled;
}

/** Relief (see imbalance.ts) that a soft rule of priority 1 is worth: as much as a host 10 points off the average. */
const SOFT_RELIEF = 100;

/** A group with its members found, and where they are. */
class Members {
  readonly #hosts: ReadonlySet<number>;
  readonly #vmIds: ReadonlySet<string>;
  /** Members on each host when all moves have arrived. */
  readonly settled = new Map<number, number>();
  /** Members on each host meanwhile: those on their way count on both ends. */
  readonly present = new Map<number, number>();
  /** All that are settled anywhere. */
  total = 0;

  constructor(
    readonly group: AffinityGroup,
    private readonly hosts: readonly HostPlace[],
  ) {
    this.#vmIds = new Set(group.vmIds);
    this.#hosts = new Set(hosts.filter(({ facts }) => isHostOf(group, facts)).map(({ index }) => index));
  }

  has(vm: Labelled): boolean {
    return this.#vmIds.has(vm.id) || vm.labels.some((label) => this.group.vmLabels.includes(label));
  }

  settle(host: number, n: 1 | -1): void {
    add(this.settled, host, n);
    this.total += n;
  }

  names(host: number): boolean {
    return this.#hosts.has(host);
  }

  get hostNames(): string {
    return this.hosts
      .filter(({ index }) => this.names(index))
      .map(({ name }) => name)
      .join(', ');
  }
}

const add = (counts: Map<number, number>, host: number, n: number) => counts.set(host, (counts.get(host) ?? 0) + n);

/** A rule that a VM breaks on a host. */
export interface Breach {
  readonly isHard: boolean;
  readonly weight: number;
  readonly reason: string;
}

export class Affinity {
  readonly #groupsOf = new Map<string, Members[]>();
  readonly #members: readonly Members[];
  readonly #places = new Map<string, number>();

  constructor(
    groups: readonly AffinityGroup[],
    vms: readonly Labelled[],
    private readonly hosts: readonly HostPlace[],
  ) {
    const inOrder = groups.toSorted((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
    this.#members = inOrder.map((group) => new Members(group, hosts));
    if (groups.length === 0) return;
    const named = new Set(groups.flatMap(({ vmIds }) => vmIds));
    const labels = new Set(groups.flatMap(({ vmLabels }) => vmLabels));
    for (const vm of vms) if (named.has(vm.id) || vm.labels.some((label) => labels.has(label))) this.introduce(vm);
  }

  /** No rule is about any VM. */
  get isEmpty(): boolean {
    return this.#groupsOf.size === 0;
  }

  /** VMs that any rule is about. */
  concerns(vmId: string): boolean {
    return !this.isEmpty && this.#groupsOf.has(vmId);
  }

  /** The VM takes part from now on. */
  introduce(vm: Labelled): void {
    const own = this.#members.filter((members) => members.has(vm));
    if (own.length > 0) this.#groupsOf.set(vm.id, own);
  }

  settle(vmId: string, host: number): void {
    this.#each(vmId, (members) => {
      members.settle(host, 1);
      add(members.present, host, 1);
    });
    this.#places.set(vmId, host);
  }

  depart(vmId: string, destination: number): void {
    const source = this.#places.get(vmId);
    this.#each(vmId, (members) => {
      if (source !== undefined) members.settle(source, -1);
      members.settle(destination, 1);
      add(members.present, destination, 1);
    });
    this.#places.set(vmId, destination);
  }

  comeBack(vmId: string, source: number): void {
    const destination = this.#places.get(vmId)!;
    this.#each(vmId, (members) => {
      members.settle(destination, -1);
      add(members.present, destination, -1);
      members.settle(source, 1);
    });
    this.#places.set(vmId, source);
  }

  /** Hosts of the other members of the VM's groups: what a move of it may change for them. */
  *neighbours(vmId: string): Generator<number> {
    for (const members of this.#groupsOf.get(vmId) ?? [])
      if (members.group.vmsRule.enabled) yield* members.settled.keys();
  }

  /** Names of hard groups that keep the VM together with others that run. */
  companionsOf<T extends { readonly id: string }>(vm: T, others: readonly T[]): T[] {
    const own = (this.#groupsOf.get(vm.id) ?? []).filter(isHardTogether);
    if (own.length === 0) return [];
    return others.filter(
      (other) => other.id !== vm.id && this.#groupsOf.get(other.id)?.some((one) => own.includes(one)),
    );
  }

  /** Whether a hard rule does not let the VM onto the host. */
  forbids(vmId: string, host: number, together: number): boolean {
    return !this.isEmpty && this.#firstAgainst(vmId, host, together) !== null;
  }

  /** The first hard rule that does not let the VM onto the host, as a clause; null if all do. */
  obstacle(vmId: string, host: number, together: number): string | null {
    const first = this.#firstAgainst(vmId, host, together);
    if (!first) return null;
    return first.isAboutHosts ? this.#hostClause(first.members, host) : this.#vmClause(first.members, host);
  }

  #firstAgainst(vmId: string, host: number, together: number): { members: Members; isAboutHosts: boolean } | null {
    for (const members of this.#groupsOf.get(vmId) ?? []) {
      const { vmsRule, hostsRule } = members.group;
      if (hostsRule.enforcing && breaksHostsRule(members, host)) return { members, isAboutHosts: true };
      if (!vmsRule.enabled || !vmsRule.enforcing) continue;
      const mayJoin = vmsRule.positive
        ? this.#mayJoin(members, vmId, host, together)
        : this.#others(members.present, vmId, host) === 0;
      if (!mayJoin) return { members, isAboutHosts: false };
    }
    return null;
  }

  /** What soft rules hold against the VM on the host, in units of relief; 0 = nothing. */
  penalty(vmId: string, host: number): number {
    const own = this.#groupsOf.get(vmId);
    if (!own) return 0;
    let sum = 0;
    for (const members of own) sum += this.#softPenalty(members, vmId, host);
    return sum;
  }

  /** Every rule, hard or soft, that the VM breaks where it is when all moves have arrived. */
  breaches(vmId: string, host: number, together = 0): Breach[] {
    return (this.#groupsOf.get(vmId) ?? []).flatMap((members) => {
      const { vmsRule, hostsRule, priority } = members.group;
      const found: Breach[] = [];
      if (breaksHostsRule(members, host))
        found.push({ isHard: hostsRule.enforcing, weight: priority, reason: this.#hostClause(members, host) });
      if (this.#breaksVmsRule(members, vmId, host, together))
        found.push({ isHard: vmsRule.enforcing, weight: priority, reason: this.#vmClause(members, host) });
      return found;
    });
  }

  /** How many hard rules the VM would break on the host, if so many that must stay with it came along. */
  hardBreaches(vmId: string, host: number, together: number): number {
    let count = 0;
    for (const members of this.#groupsOf.get(vmId) ?? []) {
      const { vmsRule, hostsRule } = members.group;
      if (hostsRule.enforcing && breaksHostsRule(members, host)) count++;
      if (vmsRule.enforcing && this.#breaksVmsRule(members, vmId, host, together)) count++;
    }
    return count;
  }

  #breaksVmsRule(members: Members, vmId: string, host: number, together: number): boolean {
    const { vmsRule } = members.group;
    if (!vmsRule.enabled) return false;
    const here = this.#others(members.settled, vmId, host);
    if (!vmsRule.positive) return here > 0;
    const along = isHardTogether(members) ? together : 0;
    const isAtHome = this.#places.get(vmId) === host;
    return this.#othersAnywhere(members, vmId) - along - (isAtHome ? here - along : here) > 0;
  }

  #each(vmId: string, act: (members: Members) => void): void {
    this.#groupsOf.get(vmId)?.forEach(act);
  }

  #others(counts: ReadonlyMap<number, number>, vmId: string, host: number): number {
    const all = counts.get(host) ?? 0;
    return this.#places.get(vmId) === host ? all - 1 : all;
  }

  #othersAnywhere(members: Members, vmId: string): number {
    return this.#places.has(vmId) ? members.total - 1 : members.total;
  }

  /** Onto the host of all the others; or, where the group is apart already, onto that of the most of them. */
  #mayJoin(members: Members, vmId: string, host: number, together: number): boolean {
    const elsewhere = this.#othersAnywhere(members, vmId) - together;
    if (elsewhere <= 0) return true;
    const here = this.#others(members.settled, vmId, host);
    if (here >= elsewhere) return true;
    let most = 0;
    for (const place of members.settled.keys()) most = Math.max(most, this.#others(members.settled, vmId, place));
    const isApart = most < elsewhere;
    return isApart && here === most && here > 0;
  }

  #softPenalty(members: Members, vmId: string, host: number): number {
    const { vmsRule, hostsRule, priority } = members.group;
    let sum = 0;
    if (hostsRule.enabled && !hostsRule.enforcing && members.names(host) !== hostsRule.positive) sum += 1;
    if (vmsRule.enabled && !vmsRule.enforcing) {
      const here = this.#others(members.settled, vmId, host);
      sum += vmsRule.positive ? this.#othersAnywhere(members, vmId) - here : here;
    }
    return sum * priority * SOFT_RELIEF;
  }

  #hostClause(members: Members, host: number): string {
    const name = this.hosts[host]!.name;
    const among = members.hostNames || 'no host';
    return members.group.hostsRule.positive
      ? `affinity group ${members.group.name} wants it on ${among}, not on ${name}`
      : `affinity group ${members.group.name} wants it away from ${among}`;
  }

  #vmClause(members: Members, host: number): string {
    const name = this.hosts[host]!.name;
    return members.group.vmsRule.positive
      ? `affinity group ${members.group.name} keeps it together with VMs that are not on ${name}`
      : `affinity group ${members.group.name} keeps it apart from a VM on ${name}`;
  }
}

const breaksHostsRule = (members: Members, host: number): boolean => {
  const { hostsRule } = members.group;
  return hostsRule.enabled && members.names(host) !== hostsRule.positive;
};

const isHardTogether = ({ group: { vmsRule } }: Members) => vmsRule.enabled && vmsRule.enforcing && vmsRule.positive;

export const isVmOf = (group: AffinityGroup, vm: Labelled): boolean =>
  group.vmIds.includes(vm.id) || vm.labels.some((label) => group.vmLabels.includes(label));

export const isHostOf = (group: AffinityGroup, host: Pick<Labelled, 'id' | 'labels'>): boolean =>
  group.hostIds.includes(host.id) || host.labels.some((label) => group.hostLabels.includes(label));
