import { describe, expect, test } from 'vitest';
import { type ScenarioFiles, loadScenario } from './load-scenario.js';
import { reportHtml, reportText } from './report.js';
import { ScenarioError, parseScenario } from './scenario.js';
import { simulate } from './simulate.js';
import { percentAt } from './trace.js';

const WATTS = '[100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200]';
const text = (vms: string, more = '') => `
name: small
hours: 1
policy: { name: none }
hosts:
  - { name: host, count: 2, cores: 2, memoryMiB: 4096, watts: ${WATTS} }
vms:
${vms}
${more}`;

const filesOf = (files: Record<string, string>): ScenarioFiles => ({
  read: (path) => {
    const content = files[path];
    if (content === undefined) throw new Error(`no file ${path}`);
    return content;
  },
  list: (folder) =>
    Object.keys(files)
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1)),
});

const errorOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof ScenarioError) return error.message;
    throw error;
  }
  return 'no error';
};

describe('errors name the field', () => {
  test.each([
    ['  - { name: vm, memoryMiB: 100 }', 'vms[0].cpu'],
    ['  - { name: vm, memoryMiB: 100, cpu: 120 }', 'vms[0].cpu'],
    ['  - { name: vm, memoryMiB: 100, cpu: 10, memroy: 3 }', 'memroy'],
    ['  - { name: "a b", memoryMiB: 100, cpu: 10 }', 'vms[0].name: letters'],
  ])('%s', (vms, field) => {
    expect(errorOf(() => parseScenario(text(vms)))).toContain(field);
  });

  test('of what is not YAML the line', () => {
    expect(errorOf(() => parseScenario('hosts: [1,\nvms'))).toContain('line');
  });

  test.each([
    ['cpu: { csv: missing-columns.csv, from: 1 }', 'vms[0].cpu.csv: missing-columns.csv has 2 columns; 3 are needed'],
    ['cpu: { csv: words.csv }', 'words.csv: line 3, column b: "much" is not a percentage'],
    ['cpu: { csv: ragged.csv }', 'ragged.csv: line 2: 1 values for 2 names'],
    ['cpu: { planetlab: folder }', 'vms[0].cpu.planetlab: folder has 1 files; 2 are needed'],
  ])('%s', (cpu, message) => {
    const files = filesOf({
      'missing-columns.csv': 'a,b\n1,2\n',
      'words.csv': 'a,b\n1,2\n3,much\n',
      'ragged.csv': 'a,b\n1\n',
      'folder/one': '1\n2\n',
    });
    const scenario = parseScenario(text(`  - { name: vm, count: 2, memoryMiB: 100, ${cpu} }`));
    expect(errorOf(() => loadScenario(scenario, files))).toContain(message);
  });

  test('of a failure its host', () => {
    const scenario = parseScenario(
      text('  - { name: vm, memoryMiB: 100, cpu: 1 }', 'failures: [{ host: host-3, atMinutes: 1, forMinutes: 1 }]'),
    );
    expect(errorOf(() => loadScenario(scenario, filesOf({})))).toContain('failures[0].host: there is no host host-3');
  });

  test.each([
    [
      'affinityGroups: [{ name: g, vms: [web] }]',
      'affinityGroups[0].vms[0]: there is no VM web; there are vm-1 to vm-2',
    ],
    ['affinityGroups: [{ name: g, hosts: [host-9] }]', 'affinityGroups[0].hosts[0]: there is no host host-9'],
    [
      `affinityGroups:
        - { name: g, vms: [vm], vmsRule: { enabled: true, positive: true, enforcing: true } }
        - { name: h, vms: [vm], vmsRule: { enabled: true, positive: false, enforcing: true } }`,
      'make one of the rules soft',
    ],
    ['maintenance: [{ name: m }]', 'maintenance[0].windows: the trigger "window" needs one, such as'],
    [
      'maintenance: [{ name: m, windows: [{ cron: "0 25 * * *", durationMinutes: 9 }] }]',
      'maintenance[0].windows[0].cron: use minute, hour',
    ],
  ])('%s', (more, message) => {
    const scenario = parseScenario(text('  - { name: vm, count: 2, memoryMiB: 100, cpu: 1 }', more));
    expect(errorOf(() => loadScenario(scenario, filesOf({})))).toContain(message);
  });

  test('of a VM without room the VM', () => {
    for (const placement of ['planner', 'first_fit']) {
      const scenario = parseScenario(text('  - { name: vm, memoryMiB: 5000, cpu: 1 }', `placement: ${placement}`));
      expect(errorOf(() => simulate(scenario, filesOf({})))).toContain('vm has room on no host');
    }
  });
});

test('VMs take columns and files in order', () => {
  const files = filesOf({ 't.csv': 'a,b,c\n1,2,3\n4,5,6\n', 'folder/b': '30\n40\n', 'folder/a': '10\n20\n' });
  const scenario = parseScenario(
    text(
      '  - { name: column, count: 2, memoryMiB: 100, cpu: { csv: t.csv, from: 1 } }\n' +
        '  - { name: file, count: 2, memoryMiB: 100, cpu: { planetlab: folder } }',
    ),
  );
  const { vms } = loadScenario(scenario, files);
  expect(vms.map(({ name, cpu }) => [name, ...cpu.percent])).toEqual([
    ['column-1', 2, 5],
    ['column-2', 3, 6],
    ['file-1', 10, 20],
    ['file-2', 30, 40],
  ]);
  expect([0, 150, 300, 9999].map((seconds) => percentAt(vms[0]!.cpu, seconds))).toEqual([2, 3.5, 5, 5]);
});

test('loads that are made up follow the seed, and only that', () => {
  const scenario = parseScenario(
    text('  - { name: vm, count: 2, memoryMiB: 100, cpu: { mean: 50, dailySwing: 20, deviation: 10 } }'),
  );
  const tracesOf = (seed: number) =>
    loadScenario({ ...scenario, seed }, filesOf({})).vms.map(({ cpu }) => [...cpu.percent]);
  expect(tracesOf(1)).toEqual(tracesOf(1));
  expect(tracesOf(2)).not.toEqual(tracesOf(1));
  expect(tracesOf(1)[0]).not.toEqual(tracesOf(1)[1]);
});

test('a run is told as text and as a page that needs no other file', () => {
  const scenario = parseScenario(text('  - { name: vm, count: 4, memoryMiB: 100, cpu: 50 }', 'placement: first_fit'));
  const result = simulate({ ...scenario, name: '<b>' }, filesOf({}));
  // Four VMs at half a core fill the first host: 200 W; the second idles at 100 W. An hour.
  expect(reportText(result)).toMatch(/energy +0\.30 kWh/);
  const html = reportHtml(result);
  expect(html).toContain('0.30 kWh');
  expect(html).toContain('&#60;b&#62;');
  expect(html).not.toMatch(/<script|<link|src=|url\(/);
  expect(html.match(/<polyline /g)).toHaveLength(7);
});

test('rules of a scenario hold in its run, and the report tells what became of them', () => {
  const scenario = parseScenario(
    text(
      `  - { name: db, count: 2, memoryMiB: 1000, dirtyMiBps: 500, cpu: 20, labels: [db] }
  - { name: fixed, memoryMiB: 100, cpu: 1, placement: pinned }`,
      `affinityGroups:
  - { name: apart, vmLabels: [db], vmsRule: { enabled: true, positive: false, enforcing: false } }
maintenance:
  - name: patch
    windows: [{ cron: "0 1 * * *", durationMinutes: 120 }]
    hostsAtOnce: 2
    action: { kind: power_cycle }`,
    ),
  );
  const result = simulate({ ...scenario, hours: 5 }, filesOf({}));
  const byPhase = result.maintenance.map(({ policy, phase, reason }) => `${policy} ${phase}: ${reason}`).toSorted();
  const pinned = 'host-1 is to be emptied, but fixed is pinned to its host; unpin it to let it move';
  expect(byPhase).toEqual([
    'patch done: 1 VM has come back',
    `patch skipped: host-1 is skipped after 30 min: ${pinned}`,
  ]);
  expect(result.metrics).toMatchObject({ migrationsFailed: 0, powerSwitches: 1 });
  // It writes 500 MiB a second over half of a gigabit link: something had to be done, and is told.
  expect(Object.keys(result.migrationFigures.means).length).toBeGreaterThan(0);
  expect(reportText(result)).toMatch(/steps taken +\w+ \d/);
  expect(reportHtml(result)).toContain('1 VM has come back');
});
