/** Can all hard rules hold at once? Asked when an affinity group is saved. */
import type { AffinityGroup } from '#contracts';
import { isHostOf, isVmOf } from './affinity.js';

interface Labelled {
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
}

/** Groups that cannot hold together, and why, for people. */
export interface Conflict {
  readonly groupIds: readonly string[];
  readonly reason: string;
}

/**
 * The conflicts of hard rules among the groups, whatever the load: two VMs that shall be together and apart; VMs that
 * no host is left for; more VMs that shall be apart than hosts they may run on. Soft rules conflict with nothing: where
 * two cannot both hold, the one of higher priority wins.
 *
 * @param vms all of the cluster, also those that are down: they may start any time.
 */
export function conflictsOf(
  groups: readonly AffinityGroup[],
  vms: readonly Labelled[],
  hosts: readonly Labelled[],
): Conflict[] {
  const hard = groups.map((group) => ({
    group,
    vms: vms.filter((vm) => isVmOf(group, vm)),
    hosts: new Set(hosts.filter((host) => isHostOf(group, host))),
  }));
  const together = hard.filter(({ group: { vmsRule } }) => vmsRule.enabled && vmsRule.enforcing && vmsRule.positive);
  const apart = hard.filter(({ group: { vmsRule } }) => vmsRule.enabled && vmsRule.enforcing && !vmsRule.positive);
  const bound = hard.filter(({ group: { hostsRule } }) => hostsRule.enabled && hostsRule.enforcing);
  const conflicts: Conflict[] = [];

  const parties = partiesOf(vms, together);
  for (const rule of apart) {
    const seen = new Map<Labelled, Labelled>();
    for (const vm of rule.vms) {
      const head = parties.get(vm)!.members[0]!;
      const other = seen.get(head);
      if (other) {
        const joining = parties.get(vm)!.groups;
        conflicts.push({
          groupIds: [rule.group.id, ...joining.map(({ id }) => id)],
          reason:
            `${other.name} and ${vm.name} cannot be apart (group ${rule.group.name}) ` +
            `and together (group ${joining.map(({ name }) => name).join(', ')}); take one of them out of a group`,
        });
      }
      seen.set(head, vm);
    }
  }

  const allowed = (members: readonly Labelled[]) => {
    const rules = bound.filter((rule) => members.some((vm) => rule.vms.includes(vm)));
    const left = hosts.filter((host) => rules.every((rule) => rule.hosts.has(host) === rule.group.hostsRule.positive));
    return { rules, left };
  };
  for (const party of new Set(parties.values())) {
    const { rules, left } = allowed(party.members);
    if (rules.length === 0 || left.length > 0) continue;
    conflicts.push({
      groupIds: [...rules.map(({ group }) => group.id), ...party.groups.map(({ id }) => id)],
      reason:
        `no host is left for ${party.members.map(({ name }) => name).join(', ')}: ` +
        `groups ${[...rules.map(({ group }) => group.name), ...party.groups.map(({ name }) => name)].join(', ')} exclude all of them`,
    });
  }
  for (const rule of apart) {
    const places = new Set(rule.vms.flatMap((vm) => allowed(parties.get(vm)!.members).left));
    if (rule.vms.length <= places.size) continue;
    conflicts.push({
      groupIds: [rule.group.id],
      reason:
        `group ${rule.group.name} keeps ${rule.vms.length} VMs apart, and there are ${places.size} hosts for them; ` +
        `add hosts, take VMs out, or make the rule soft`,
    });
  }
  return conflicts;
}

interface Party {
  readonly members: Labelled[];
  readonly groups: AffinityGroup[];
}

/** Who has to be on one host with whom, over all groups: a VM in two such groups joins them. */
function partiesOf(
  vms: readonly Labelled[],
  together: readonly { readonly group: AffinityGroup; readonly vms: readonly Labelled[] }[],
): Map<Labelled, Party> {
  const parties = new Map<Labelled, Party>(vms.map((vm) => [vm, { members: [vm], groups: [] }]));
  for (const { group, vms: members } of together) {
    const joined = [...new Set(members.map((vm) => parties.get(vm)!))];
    const party: Party = {
      members: joined.flatMap((each) => each.members),
      groups: [...new Set([...joined.flatMap((each) => each.groups), group])],
    };
    for (const vm of party.members) parties.set(vm, party);
  }
  return parties;
}
