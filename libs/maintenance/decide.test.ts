import { MaintenanceAction, MaintenanceProcedure, MaintenanceTrigger, type MaintenanceVm } from '#contracts';
import { describe, expect, test } from 'vitest';
import { decideMaintenance, type MaintenanceFacts, withReturns } from './index.js';
import { brief, host, NIGHTLY, NOW, policy, run, situation } from './maintenance.fixture.js';

const decide = (facts: MaintenanceFacts, nowMs = NOW) => brief(decideMaintenance(facts, nowMs));
const HOUR = 3_600_000;
const OPENED = Date.parse('2026-11-21T02:00:00Z');
const check = { kind: 'reboot_required', subject: '', state: 'warning', value: null, reason: 'restart it' } as const;
const unwell = { health: { at: '2026-11-21T02:00:00Z', checks: [check] }, healthAtMs: NOW };
const unwellTrigger = (when: 'at_once' | 'in_window', atLeast: 'warning' | 'failed' = 'warning') =>
  MaintenanceTrigger.parse({ kind: 'health', checks: ['reboot_required'], atLeast, when });
const vm = (vmName: string, more: Partial<MaintenanceVm> = {}): MaintenanceVm => ({
  vmId: vmName,
  vmName,
  memoryMiB: 1024,
  state: 'here',
  reason: '',
  hostId: null,
  attempts: 0,
  expectedSeconds: 1,
  choice: null,
  ...more,
});

describe('who is due', () => {
  test('a window empties each of its hosts once, in groups, in the order of names', () => {
    const hosts = ['c', 'a', 'b'].map((name) => host(name));
    const policies = [policy({ hostsAtOnce: 2 })];
    expect(decide(situation({ hosts, policies }))).toEqual(['begin a/1 b/1 c/2']);
    expect(decide(situation({ hosts, policies }), OPENED - 1)).toEqual([]);
    const past = { policyId: 'policy', hostId: 'a', trigger: 'window', windowStartsMs: OPENED, endedMs: NOW } as const;
    expect(decide(situation({ hosts, policies, history: [past] }))).toEqual(['begin b/1 c/1']);
    const yesterday = { ...past, windowStartsMs: OPENED - 24 * HOUR };
    expect(decide(situation({ hosts, policies, history: [yesterday] }))).toEqual(['begin a/1 b/1 c/2']);
  });

  test('only hosts that are up, in scope, and in no run', () => {
    const hosts = [
      host('a', { labels: ['rack-1'] }),
      host('b', { labels: ['rack-1'], status: 'maintenance' }),
      host('c'),
      host('d'),
      host('e', { labels: ['rack-1'] }),
    ];
    const policies = [policy({ hostLabels: ['rack-1'], hostIds: ['d'], hostsAtOnce: 9 })];
    const runs = [run('e', { phase: 'paused' })];
    expect(decide(situation({ hosts, policies, runs }))).toEqual(['begin a/1 d/1']);
  });

  test('health, if it is bad enough; then not again for a while', () => {
    const trigger = unwellTrigger('at_once');
    const hosts = [host('a', unwell), host('b')];
    const policies = [policy({ triggers: [trigger], quietMinutes: 60 })];
    expect(decide(situation({ hosts, policies }))).toEqual(['begin a/1']);
    const stricter = [policy({ triggers: [unwellTrigger('at_once', 'failed')] })];
    expect(decide(situation({ hosts, policies: stricter }))).toEqual([]);
    const past = { policyId: 'policy', hostId: 'a', trigger: 'health', windowStartsMs: null } as const;
    const ended = (agoMs: number) => [{ ...past, endedMs: NOW - agoMs }];
    expect(decide(situation({ hosts, policies, history: ended(HOUR - 1) }))).toEqual([]);
    expect(decide(situation({ hosts, policies, history: ended(HOUR) }))).toEqual(['begin a/1']);
  });

  test('failed migrations, so many within so long', () => {
    const trigger = { kind: 'migration_failures', count: 2, withinMinutes: 60, when: 'at_once' } as const;
    const policies = [policy({ triggers: [trigger] })];
    const failed = (...agoMs: number[]) => [host('a', { failedMigrationsMs: agoMs.map((ago) => NOW - ago) })];
    expect(decide(situation({ hosts: failed(1000, HOUR + 1), policies }))).toEqual([]);
    expect(decide(situation({ hosts: failed(1000, HOUR - 1), policies }))).toEqual(['begin a/1']);
  });
});

describe('a run that waits', () => {
  test('begins when the other hosts can take its VMs, and says what it waits for otherwise', () => {
    const hosts = [host('a'), host('b')];
    const runs = [run('a')];
    expect(decide(situation({ hosts, runs, vms: [['x', 'a']] }))).toEqual(['run of a evacuating deactivate']);
    const full = situation({
      hosts,
      runs,
      vms: [
        ['x', 'a'],
        ['y', 'b', 3500],
      ],
    });
    const reason = expect.stringContaining('b has 596 MiB of memory free');
    expect(decideMaintenance(full, NOW)).toEqual([{ action: 'note', runId: 'run of a', reason, isHeld: true }]);
  });

  test('with its own choice for VMs that cannot leave', () => {
    const hosts = [host('a'), host('b')];
    const vms = [['x', 'a', 1024, { immovableReason: 'x is pinned to its host; unpin it' }]] as const;
    const having = (onBlocked: MaintenanceProcedure['onBlocked']) =>
      situation({ hosts, vms, runs: [run('a', { procedure: MaintenanceProcedure.parse({ onBlocked }) })] });
    expect(decide(having('wait'))).toEqual(['run of a note']);
    expect(decide(having('stop'))).toEqual(['run of a evacuating deactivate']);
    expect(decide(having('move_anyway'))).toEqual(['run of a evacuating deactivate']);
    expect(decide(having('skip'))).toEqual(['run of a skipped']);
  });

  test('is skipped when its VMs have kept it from its turn for so long; so it is if it does not answer', () => {
    const vms = [['x', 'a', 1024, { immovableReason: 'x is pinned to its host; unpin it' }]] as const;
    const held = (minutes: number, hosts = [host('a'), host('b')]) =>
      situation({ hosts, vms, runs: [run('a', { heldSinceMs: NOW - minutes * 60_000, phaseReason: 'x' })] });
    expect(decide(held(29))).toEqual(['run of a note']);
    const reason = expect.stringMatching(/^a is skipped after 30 min: .*x is pinned to its host/);
    expect(decideMaintenance(held(30), NOW)).toMatchObject([{ to: 'skipped', reason }]);
    const silent = [host('a', { status: 'non_responsive' }), host('b')];
    expect(decide(held(29, silent))).toEqual(['run of a note']);
    expect(decide(held(30, silent))).toEqual(['run of a skipped']);
    // Whoever waits for others is not held.
    const behind = run('a', { group: 2, heldSinceMs: NOW - HOUR });
    const runs = [run('b', { phase: 'paused' }), behind];
    expect(decideMaintenance(situation({ hosts: [host('a'), host('b')], vms, runs }), NOW)).toMatchObject([
      { action: 'note', isHeld: false },
    ]);
  });

  test('is not held by its own host while another one of its policy has the turn', () => {
    const hosts = [host('a', { status: 'preparing_for_maintenance' }), host('b', { status: 'non_responsive' })];
    const first = run('a', { phase: 'evacuating', startedMs: NOW - 1000, vms: [vm('x', { state: 'leaving' })] });
    const second = run('b', { heldSinceMs: NOW - HOUR, phaseReason: 'waits until b is up' });
    const facts = (runs: MaintenanceFacts['runs']) => situation({ hosts, runs, vms: [['x', 'a']] });
    const ofSecond = (runs: MaintenanceFacts['runs']) =>
      decideMaintenance(facts(runs), NOW).filter((step) => 'runId' in step && step.runId === second.id);
    expect(ofSecond([first, second])).toEqual([
      { action: 'note', runId: 'run of b', reason: 'waits for a: 1 at once', isHeld: false },
    ]);
    expect(ofSecond([second])).toMatchObject([{ to: 'skipped' }]);
  });

  test('goes on after a host that was skipped or has failed, or not, as its procedure says', () => {
    const second = (first: 'skipped' | 'failed', stopRolloutOn: MaintenanceProcedure['stopRolloutOn']) => {
      const procedure = MaintenanceProcedure.parse({ stopRolloutOn });
      const runs = [run('a', { phase: first }), run('b', { group: 2, procedure })];
      return decide(situation({ hosts: [host('a'), host('b')], runs }))[0];
    };
    const [goesOn, stops] = ['run of b evacuating deactivate', 'run of b cancelled'];
    expect([second('skipped', 'failed'), second('failed', 'failed')]).toEqual([goesOn, stops]);
    expect([second('skipped', 'skipped'), second('failed', 'skipped')]).toEqual([stops, stops]);
    expect([second('skipped', 'never'), second('failed', 'never')]).toEqual([goesOn, goesOn]);
  });

  test('two at once only while memory and reservation suffice', () => {
    const hosts = ['a', 'b', 'c', 'd'].map((name) => host(name));
    const runs = ['a', 'b'].map((name) => run(name, { hostsAtOnce: 2 }));
    const vms = ['a', 'b', 'c', 'd'].map((name) => [`vm-${name}`, name, 1500] as const);
    const both = ['run of a evacuating deactivate', 'run of b evacuating deactivate'];
    expect(decide(situation({ hosts, runs, vms }))).toEqual(both);
    expect(decide(situation({ hosts, runs, vms, haReservation: 1 }))).toEqual([both[0], 'run of b note']);
  });

  test('not while a VM is there that is to go home to a host that was emptied before', () => {
    const hosts = ['a', 'b', 'c'].map((name) => host(name));
    const guest = (state: 'left' | 'returned') => [vm('x', { state, hostId: 'b' })];
    const after = (state: 'left' | 'returned', procedure = MaintenanceProcedure.parse({})) => [
      run('a', { phase: 'returning', hostsAtOnce: 2, vms: guest(state), procedure }),
      run('b', { hostsAtOnce: 2 }),
    ];
    const vms = [['x', 'b']] as const;
    const decided = decideMaintenance(situation({ hosts, vms, runs: after('left') }), NOW);
    expect(decided).toContainEqual({
      action: 'note',
      runId: 'run of b',
      reason: 'waits until x has gone back to a',
      isHeld: false,
    });
    const begins = 'run of b evacuating deactivate';
    expect(decide(situation({ hosts, vms, runs: after('returned') }))).toContain(begins);
    const stays = MaintenanceProcedure.parse({ returnVms: false });
    expect(decide(situation({ hosts, vms, runs: after('left', stays) }))).toContain(begins);
  });

  test('one group after the other; none after one that has failed', () => {
    const hosts = ['a', 'b'].map((name) => host(name));
    const second = run('b', { group: 2 });
    const first = (phase: 'evacuating' | 'done' | 'failed') =>
      situation({ hosts: [host('a', { status: 'maintenance' }), hosts[1]!], runs: [run('a', { phase }), second] });
    expect(decide(first('evacuating'))).toEqual(['run of a checking', 'run of b note']);
    expect(decide(first('done'))).toEqual(['run of b evacuating deactivate']);
    expect(decideMaintenance(first('failed'), NOW)).toEqual([
      { action: 'change_phase', runId: 'run of b', to: 'cancelled', reason: 'group 1 has failed at a: ' },
    ]);
  });

  test('for its window, and is given up when that has closed', () => {
    const hosts = [host('a')];
    const later = policy({ windows: [{ ...NIGHTLY, cron: '0 5 * * *' }], triggers: [] });
    const waits = run('a', { policyId: 'policy', trigger: 'request', waitsForWindow: true });
    expect(decideMaintenance(situation({ hosts, policies: [later], runs: [waits] }), NOW)).toEqual([
      {
        action: 'note',
        runId: 'run of a',
        reason: 'waits for the window of patch at 2026-11-21 05:00 UTC',
        isHeld: false,
      },
    ]);
    const open = policy({ triggers: [] });
    expect(decide(situation({ hosts, policies: [open], runs: [waits] }))).toEqual(['run of a evacuating deactivate']);
    const over = [run('a', { windowEndsMs: NOW })];
    expect(decide(situation({ hosts, runs: over }))).toEqual(['run of a cancelled']);
  });

  test('no longer if the host has become well', () => {
    const trigger = unwellTrigger('in_window');
    const waits = run('a', { policyId: 'policy', trigger: 'health', waitsForWindow: true });
    const facts = situation({ hosts: [host('a')], policies: [policy({ triggers: [trigger] })], runs: [waits] });
    expect(decide(facts)).toEqual(['run of a cancelled']);
  });
});

describe('a host that is being emptied', () => {
  const hosts = [host('a', { status: 'preparing_for_maintenance' }), host('b')];
  const evacuating = (vms: MaintenanceVm[], more: Partial<MaintenanceProcedure> = {}, startedMs = NOW - 1000) =>
    run('a', { phase: 'evacuating', startedMs, vms, procedure: { ...MaintenanceProcedure.parse({}), ...more } });

  test('goes back to work, with the reason for each VM, when a VM has failed too often', () => {
    const runs = [evacuating([vm('x', { attempts: 3, reason: 'the link broke' })])];
    expect(decideMaintenance(situation({ hosts, runs, vms: [['x', 'a']] }), NOW)).toEqual([
      {
        action: 'change_phase',
        runId: 'run of a',
        to: 'failed',
        host: 'activate',
        reason: 'a was not emptied: x is still there after 3 failed migrations (the link broke)',
      },
    ]);
    const stops = [evacuating([vm('x', { attempts: 3, choice: 'stop' })])];
    expect(decide(situation({ hosts, runs: stops, vms: [['x', 'a']] }))).toContain('run of a stop_vm x');
  });

  test('is never prepared for ever', () => {
    const runs = [evacuating([vm('x')], { evacuationTimeoutMinutes: 1 }, NOW - 60_001)];
    expect(decide(situation({ hosts, runs, vms: [['x', 'a']] }))).toEqual(['run of a failed activate']);
    const silent = [host('a', { status: 'non_responsive' }), host('b')];
    expect(decide(situation({ hosts: silent, runs }))).toEqual(['run of a failed activate']);
  });

  test('moves a pinned VM if somebody has chosen so', () => {
    const runs = [evacuating([vm('x', { choice: 'move_anyway' })])];
    const pinned = [['x', 'a', 1024, { immovableReason: 'x is pinned to its host' }]] as const;
    expect(decide(situation({ hosts, runs, vms: pinned }))).toContain('run of a move x to b');
  });

  test('acts when it is empty, or looks at its health if there is nothing to do', () => {
    const empty = [host('a', { status: 'maintenance' }), host('b')];
    expect(decide(situation({ hosts: empty, runs: [evacuating([])] }))).toEqual(['run of a checking']);
    expect(decide(situation({ hosts: empty, runs: [evacuating([], { activate: false })] }))).toEqual(['run of a done']);
    const action = MaintenanceAction.parse({ kind: 'command', name: 'upgrade' });
    expect(decide(situation({ hosts: empty, runs: [evacuating([], { action })] }))).toEqual(['run of a acting']);
  });
});

describe('a host in maintenance', () => {
  const hosts = [host('a', { status: 'maintenance' }), host('b')];
  const action = { kind: 'command', name: 'upgrade', timeoutSeconds: 60, restarts: true };
  const procedure = MaintenanceProcedure.parse({ action });
  const acting = (more: object = {}) => [run('a', { phase: 'acting', procedure, ...more })];
  const healthy = { health: { at: '2026-11-21T02:30:00Z', checks: [] }, healthAtMs: NOW };

  test('is told to act again until it says something, and then waited for', () => {
    expect(decide(situation({ hosts, runs: acting() }))).toEqual(['run of a act']);
    const command = (status: 'running' | 'succeeded' | 'failed') => ({
      command: { status, exitCode: 1, output: 'no' },
    });
    expect(decide(situation({ hosts, runs: acting(command('running')) }))).toEqual(['run of a note']);
    expect(decide(situation({ hosts, runs: acting(command('succeeded')) }))).toEqual(['run of a checking']);
    expect(decideMaintenance(situation({ hosts, runs: acting(command('failed')) }), NOW)).toEqual([
      expect.objectContaining({ to: 'failed', reason: 'a stays in maintenance: upgrade has failed with status 1: no' }),
    ]);
    const away = [host('a', { status: 'non_responsive' }), host('b')];
    expect(decide(situation({ hosts: away, runs: acting(command('running')) }))).toEqual(['run of a note']);
    const unheard = situation({ hosts, runs: acting({ phaseSinceMs: NOW - HOUR }) });
    expect(decide(unheard)).toEqual(['run of a failed']);
    // A controller that was away for an hour has not asked yet.
    expect(decide({ ...unheard, decidingSinceMs: NOW })).toEqual(['run of a act']);
  });

  test('is switched off and on by its power management, and has to come back', () => {
    const cycle = MaintenanceProcedure.parse({ action: { kind: 'power_cycle' } });
    const cycling = (more: object = {}) => [run('a', { phase: 'acting', procedure: cycle, ...more })];
    const begun = cycling({ command: { status: 'running', exitCode: null, output: '' } });
    const being = (status: string, powerSinceMs: number) => [host('a', { status, powerSinceMs }), host('b')];
    expect(decide(situation({ hosts, runs: cycling() }))).toEqual(['run of a act']);
    expect(decide(situation({ hosts: being('powering_on', NOW - HOUR), runs: begun }))).toEqual(['run of a note']);
    expect(decide(situation({ hosts: being('maintenance', NOW), runs: begun }))).toEqual(['run of a checking']);
    expect(decide(situation({ hosts: being('maintenance', NOW - HOUR), runs: begun }))).toEqual(['run of a failed']);
    const lost = cycling({ command: { status: 'running', exitCode: null, output: '' }, phaseSinceMs: NOW - 2 * HOUR });
    expect(decide(situation({ hosts: being('powering_on', 0), runs: lost }))).toEqual(['run of a failed']);
    const refused = cycling({ command: { status: 'failed', exitCode: null, output: 'a has no power management' } });
    expect(decideMaintenance(situation({ hosts, runs: refused }), NOW)).toMatchObject([
      { to: 'failed', reason: 'a stays in maintenance: a has no power management' },
    ]);
  });

  test('is activated only after a look at its health since', () => {
    const checking = [run('a', { phase: 'checking' })];
    expect(decide(situation({ hosts, runs: checking }))).toEqual(['run of a look']);
    const well = (more: object) => [host('a', { status: 'maintenance', ...more }), host('b')];
    expect(decide(situation({ hosts: well({ ...healthy, healthAtMs: NOW - 2000 }), runs: checking }))).toEqual([
      'run of a look',
    ]);
    expect(decide(situation({ hosts: well(healthy), runs: checking }))).toEqual(['run of a done activate']);
    const ill = { ...healthy, health: { ...healthy.health, checks: [{ ...check, state: 'failed' as const }] } };
    expect(decide(situation({ hosts: well(ill), runs: checking }))).toEqual(['run of a failed']);
    const stays = [run('a', { phase: 'checking', procedure: MaintenanceProcedure.parse({ activate: false }) })];
    expect(decide(situation({ hosts: well(healthy), runs: stays }))).toEqual(['run of a done']);
  });

  test('gets its VMs back, as many at once as may move, and those that were stopped', () => {
    const vms = ['x', 'y', 'z'].map((name) => vm(name, { state: 'left', hostId: 'b' }));
    const away = vms.map(({ vmName }) => [vmName, 'b', 512] as const);
    const checking = [run('a', { phase: 'checking', vms })];
    const well = [host('a', { status: 'maintenance', ...healthy }), host('b')];
    expect(decide(situation({ hosts: well, runs: checking, vms: away }))).toEqual(['run of a returning activate']);
    const returning = [run('a', { phase: 'returning', vms: [...vms, vm('s', { state: 'stopped' })] })];
    expect(decide(situation({ hosts: [host('a'), host('b')], runs: returning, vms: away }))).toEqual([
      'run of a move x to a',
      'run of a move y to a',
      'run of a start_vm s',
      'run of a note',
    ]);
    const back = [run('a', { phase: 'returning', endsAs: 'cancelled', vms: [vm('x', { state: 'returned' })] })];
    expect(decide(situation({ hosts: [host('a'), host('b')], runs: back }))).toEqual(['run of a cancelled']);
  });
  test('a host waits if with it empty a VM of another could not leave, whatever else keeps that one', () => {
    const busy = { phase: 'evacuating', procedure: MaintenanceProcedure.parse({ onBlocked: 'move_anyway' }) } as const;
    const facts = situation({
      hosts: [host('a'), host('b', { status: 'preparing_for_maintenance' }), host('c')],
      runs: [run('b', { ...busy, hostsAtOnce: 2 }), run('c', { phase: 'waiting', hostsAtOnce: 2 })],
      vms: [
        ['b0', 'b', 512, { immovableReason: 'b0 is pinned' }],
        ['b1', 'b', 3000],
        ['c1', 'c', 3000],
      ],
    });
    expect(decide(facts).filter((step) => step.includes('evacuating'))).toEqual([]);
  });

  test('VMs of two hosts that come back at once share the migrations of the host that they come from', () => {
    const guests = (home: string) => [1, 2].map((n) => vm(`${home}${n}`, { state: 'left', hostId: 'c' }));
    const runs = ['a', 'b'].map((home) => run(home, { phase: 'returning', hostsAtOnce: 2, vms: guests(home) }));
    const vms = ['a1', 'a2', 'b1', 'b2'].map((name) => [name, 'c'] as const);
    const decided = decide(situation({ hosts: [host('a'), host('b'), host('c')], runs, vms }));
    expect(decided.filter((step) => step.includes('move'))).toEqual([
      'run of a move a1 to a',
      'run of a move a2 to a', // two at once is as many as a host may have
    ]);
  });

  test('VMs that come back are on their way for those that plan, and for nobody else', () => {
    const { cluster } = situation({
      hosts: [host('a'), host('b'), host('c', { status: 'maintenance' })],
      vms: [
        ['x', 'b'],
        ['moved', 'a'],
        ['y', 'b'],
      ],
    });
    const away = ['x', 'moved', 'down'].map((name) =>
      vm(name, { state: 'left', hostId: name === 'down' ? null : 'b' }),
    );
    const returning = run('a', { phase: 'returning', vms: away });
    const elsewhere = run('c', { phase: 'checking', vms: [vm('y', { state: 'left', hostId: 'b' })] });
    const { inFlight } = withReturns(cluster, [returning, elsewhere]);
    expect(inFlight).toEqual([{ vmId: 'x', sourceHostId: 'b', destinationHostId: 'a', isPromised: true }]);
    expect(withReturns({ ...cluster, inFlight }, [returning]).inFlight).toEqual(inFlight);
    const staying = { ...returning, procedure: { ...returning.procedure, returnVms: false } };
    expect(withReturns(cluster, [staying])).toBe(cluster);
  });
});
