import { describe, expect, test } from 'vitest';
import { group, rule } from './cluster.fixture.js';
import { conflictsOf } from './index.js';

const named = (names: string[], labels: string[] = []) => names.map((name) => ({ id: `id-of-${name}`, name, labels }));
const vms = named(['a', 'b', 'c']);
const hosts = named(['h1', 'h2']);
const reasons = (...groups: ReturnType<typeof group>[]) => conflictsOf(groups, vms, hosts).map(({ reason }) => reason);

describe('hard rules that cannot hold together are named', () => {
  test('together and apart, also by way of a third', () => {
    const ab = group('ab', ['a', 'b'], { vmsRule: rule(true, true) });
    const bc = group('bc', ['b', 'c'], { vmsRule: rule(true, true) });
    const ac = group('ac', ['a', 'c'], { vmsRule: rule(false, true) });
    expect(reasons(ab, bc)).toEqual([]);
    expect(reasons(ab, ac)).toEqual([]);
    expect(reasons(ab, bc, ac)).toEqual(
      [
        'a and c cannot be apart (group ac) and together (group ab, bc); take one of them out of a group',
        'group ac keeps 2 VMs apart, and there are 2 hosts for them; add hosts, take VMs out, or make the rule soft',
      ].slice(0, 1),
    );
  });

  test('VMs that no host is left for', () => {
    const on = group('on', ['a'], { hostsRule: rule(true, true), hostIds: ['id-of-h1'] });
    const off = group('off', ['a'], { hostsRule: rule(false, true), hostIds: ['id-of-h1'] });
    expect(reasons(on)).toEqual([]);
    expect(reasons(on, off)).toEqual(['no host is left for a: groups on, off exclude all of them']);
    const other = group('other', ['b'], { hostsRule: rule(true, true), hostIds: ['id-of-h2'] });
    const pair = group('pair', ['a', 'b'], { vmsRule: rule(true, true) });
    expect(reasons(on, other)).toEqual([]);
    expect(reasons(on, other, pair)).toEqual(['no host is left for a, b: groups on, other, pair exclude all of them']);
  });

  test('more VMs apart than hosts', () => {
    const apart = group('apart', ['a', 'b', 'c'], { vmsRule: rule(false, true) });
    expect(reasons(apart)).toEqual([
      'group apart keeps 3 VMs apart, and there are 2 hosts for them; add hosts, take VMs out, or make the rule soft',
    ]);
    expect(reasons({ ...apart, vmsRule: rule(false, false) })).toEqual([]);
  });

  test('rules that are not enabled, and soft ones, conflict with nothing', () => {
    const on = group('on', ['a'], { hostsRule: rule(true, false), hostIds: ['id-of-h1'] });
    const off = group('off', ['a'], { hostsRule: { ...rule(false, true), enabled: false }, hostIds: ['id-of-h1'] });
    expect(reasons(on, off)).toEqual([]);
  });
});
