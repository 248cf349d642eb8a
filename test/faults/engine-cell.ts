/** One cell of the matrix between two real VMMs. The test is what agents are: it sees to it that both ends come to an end. */
// oxlint-disable vitest/no-standalone-expect -- what is here is called inside of tests
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { Cell, EngineFault, Means } from './cells.js';
import { FaultyNetwork } from './faulty-network.js';
import { MomentWatch } from './moments.js';
import { exportDisk, jobsOf, mirror, PATIENCE, Vmm, type Look } from './vm-pair.js';

const MIB = 2 ** 20;
const POLL_MS = 20;
const MOST_MS = 120_000;
/** How long either end waits for the other, in a migration that is harmed. */
const IMPATIENT = { 'x-drover-answer-timeout': 3, 'x-drover-recover-timeout': 20 };
const PATIENT = { 'x-drover-answer-timeout': 60, 'x-drover-recover-timeout': 600 };
/** Never fits: passes go on, and each takes a while. */
const ENDLESS = { 'downtime-limit': 0, 'max-bandwidth': 64 * MIB };
const SOON = { 'downtime-limit': 5000, 'max-bandwidth': 0 };

/** Where the guest is in the end, and what the ends say of the migration. */
export interface Ending {
  readonly guest: 'at the source' | 'at the destination' | 'lost';
  readonly source: string;
  readonly destination: string;
}

export async function runEngineCell({ fault, moment, means }: Cell<EngineFault>): Promise<Ending> {
  const channel = fault.kind === 'harm' ? fault.channel : 'main';
  const hasDisk = channel === 'nbd';
  const [source, destination] = await Promise.all([Vmm.withGuest({ hasDisk }), Vmm.waiting(hasDisk, false)]);
  const before = source.resources();
  const strike = () => {
    if (fault.kind === 'kill') (fault.victim === 'source' ? source : destination).process.kill('SIGKILL');
    else network.harm(fault.channel, fault.harm);
  };
  const watch = new MomentWatch(moment, channel);
  let hasStruck = false;
  const network = new FaultyNetwork((passing) => {
    if (!watch.sees(passing)) return;
    hasStruck = true;
    strike();
  });
  const move = new HarmedMove(source, destination, network, means, () => hasStruck);
  await move.begin(hasDisk);
  const isEarly = ['setup', 'first_pass', 'later_pass'].includes(moment);
  const ending = await move.end(isEarly, moment === 'recovery');
  expect(hasStruck, 'the moment came').toBe(true);

  if (ending.guest !== 'lost') await expectRetry(ending, { source, destination, means, hasDisk, before });
  return ending;
}

/** A migration on which something happens, until both ends know how it ended. */
class HarmedMove {
  private isPostcopyOrdered = false;
  private isLimitRaised = false;
  private recoveries = 0;
  /** What the destination said as long as it was there. */
  private lastThere: Look | null = null;

  constructor(
    private readonly source: Vmm,
    private readonly destination: Vmm,
    private readonly network: FaultyNetwork,
    private readonly means: Means,
    private readonly hasStruck: () => boolean,
  ) {}

  async begin(hasDisk: boolean): Promise<void> {
    const { source, destination, network, means } = this;
    for (const end of [source, destination]) {
      await end.use(means);
      await end.set(IMPATIENT);
    }
    await source.set({ ...ENDLESS, 'max-postcopy-bandwidth': 2 * MIB });
    const uri = await network.before(await destination.listen());
    const jobs = hasDisk ? ['m0'] : [];
    if (hasDisk) await this.mirror();
    await source.qmp.execute('migrate', { uri, 'x-drover-block-jobs': jobs });
  }

  /** Until the copy of the disk is as good as equal, or something has happened to it. */
  private async mirror(): Promise<void> {
    const { source, destination, network } = this;
    const port = await network.beforeNbd(await exportDisk(destination));
    await mirror(source, port).catch(() => expect(this.hasStruck()).toBe(true));
    const isReady = async () => this.hasStruck() || (await jobsOf(source))[0]?.ready === true;
    await vi.waitFor(async () => expect(await isReady()).toBe(true), PATIENCE);
  }

  /** Resolves when nothing more will happen by itself. `isEarly`: the moment comes while passes go on and on. */
  async end(isEarly: boolean, pausesFirst: boolean): Promise<Ending> {
    const deadline = performance.now() + MOST_MS;
    let seen = '';
    while (performance.now() < deadline) {
      // First there, then here: a guest that runs there has been let go of here for ever.
      const there = await this.destination.look();
      const here = await this.source.look();
      this.lastThere = there ?? this.lastThere;
      expect([there?.runState, here?.runState], 'two running copies').not.toEqual(['running', 'running']);
      if (!isEarly || this.hasStruck()) await this.hurry(here);
      const ending = await this.settle(here, there, pausesFirst);
      if (ending) return ending;
      seen = JSON.stringify({ here, there });
      await sleep(POLL_MS);
    }
    throw new Error(`it has not come to an end: ${seen}`);
  }

  /** Lets the migration end. */
  private async hurry(here: Look | null): Promise<void> {
    if (here?.status !== 'active') return;
    const refused = () => undefined; // it has gone on meanwhile
    if (this.means === 'postcopy') {
      if (!this.isPostcopyOrdered) await this.source.qmp.execute('migrate-start-postcopy').catch(refused);
      this.isPostcopyOrdered = true;
    } else if (!this.isLimitRaised) {
      await this.source.set(SOON).catch(refused);
      this.isLimitRaised = true;
    }
  }

  private async settle(here: Look | null, there: Look | null, pausesFirst: boolean): Promise<Ending | null> {
    const { source, destination } = this;
    const said = (look: Look | null) => (look ? (look.error?.code ?? look.status ?? 'nothing') : 'dead');
    const ended = there ? '' : ', ended';
    const ending = (guest: Ending['guest']): Ending => ({
      ...{ guest, source: said(here) },
      destination: `${said(this.lastThere)}${ended}`,
    });
    const ask = (to: Vmm, command: string) => to.qmp.execute(command).catch(() => undefined);
    switch (here?.status) {
      case 'failed': {
        if (there?.status === 'completed') return ending('at the destination'); // its last word was lost
        const isHere = here.runState === 'running';
        expect(here.error, 'the source says why').toMatchObject({
          code: expect.any(String),
          message: expect.stringMatching(/.{10}/),
        });
        if (!isHere) {
          expect(here).toMatchObject({ runState: 'postmigrate', error: { code: 'destination_lost' } });
          return there === null ? ending('lost') : null;
        }
        expect(there?.runState).not.toBe('running');
        if (there) await ask(destination, 'quit');
        return there ? null : ending('at the source');
      }
      case 'completed':
        expect(here.runState).toBe('postmigrate');
        if (there === null) return ending('lost'); // it had the guest, and was killed
        if (there.incoming?.status === 'loaded') await ask(destination, 'x-drover-migrate-finish');
        return there.status === 'completed' && there.runState === 'running' ? ending('at the destination') : null;
      case 'postcopy-active':
        if (there?.incoming?.status === 'loaded') await ask(destination, 'x-drover-migrate-finish');
        if (pausesFirst && this.recoveries === 0 && there?.status === 'postcopy-active')
          await ask(source, 'migrate-pause');
        return null;
      case 'postcopy-paused':
        if (there?.status === 'completed') return ending('at the destination'); // its last word was lost
        if (there) await this.recover();
        return null;
      case undefined:
        return here === null ? this.withoutSource(there, ending) : null;
      default:
        return null;
    }
  }

  /** As an agent does whose VMM has died: the destination takes over if it has everything. */
  private async withoutSource(there: Look | null, ending: (guest: Ending['guest']) => Ending): Promise<Ending | null> {
    const { destination } = this;
    const refused = () => undefined;
    if (there === null) return ending('lost');
    if (there.status === 'completed') return there.runState === 'running' ? ending('at the destination') : null;
    if (there.status === 'postcopy-paused') await destination.qmp.execute('migrate_cancel').catch(refused);
    else if (there.incoming?.status === 'loaded')
      await destination.qmp.execute('x-drover-migrate-finish').catch(refused);
    if (there.incoming?.status === 'waiting') await destination.qmp.execute('quit').catch(refused);
    if (there.status !== 'failed') return null;
    expect(there.error).toMatchObject({ code: expect.any(String), message: expect.stringMatching(/.{10}/) });
    expect(['inmigrate', 'internal-error']).toContain(there.runState);
    return ending('lost');
  }

  private async recover(): Promise<void> {
    const { source, destination, network } = this;
    try {
      await destination.qmp.execute('migrate-recover', { uri: 'tcp:127.0.0.1:0' });
      const uri = await network.before(await destination.bound());
      this.recoveries += 1;
      if (this.hasStruck()) await source.set({ 'max-postcopy-bandwidth': 0 });
      await source.qmp.execute('migrate', { uri, resume: true });
    } catch {
      // it has gone on meanwhile
    }
  }
}

interface Retry {
  readonly source: Vmm;
  readonly destination: Vmm;
  readonly means: Means;
  readonly hasDisk: boolean;
  readonly before: ReturnType<Vmm['resources']>;
}

/** Nothing is left of the attempt, and the next one brings everything to yet another process. */
async function expectRetry(ending: Ending, { source, destination, means, hasDisk, before }: Retry): Promise<void> {
  const [home, other] = ending.guest === 'at the source' ? [source, destination] : [destination, source];
  await home.expectGuest();
  if (!other.isDead) await other.qmp.execute('quit').catch(() => undefined);
  await other.process.ended;
  if (home === source) {
    await vi.waitFor(() => {
      const now = home.resources();
      expect(now.sockets).toBeLessThanOrEqual(before.sockets);
      expect(now.threads).toBeLessThanOrEqual(before.threads);
    }, PATIENCE);
  }
  const next = await Vmm.waiting(hasDisk, true);
  await next.use(means);
  await home.set({ ...PATIENT, ...SOON, 'max-postcopy-bandwidth': 0 });
  const uri = await next.listen();
  if (hasDisk) await mirrorAgain(home, next);
  await home.qmp.execute('migrate', { uri, 'x-drover-block-jobs': hasDisk ? ['m0'] : [] });
  await vi.waitFor(async () => expect(await home.look()).toMatchObject({ status: 'completed' }), PATIENCE);
  await vi.waitFor(async () => expect(await next.look()).toMatchObject({ status: 'completed' }), PATIENCE);
  expect(await next.ramHash()).toBe(await home.ramHash());
  expect(next.diskHash()).toBe(home.diskHash());
  await next.qmp.execute('cont');
  await next.expectGuest();
}

async function mirrorAgain(home: Vmm, next: Vmm): Promise<void> {
  for (const { device, status } of await jobsOf(home)) {
    if (status !== 'concluded') await home.qmp.execute('block-job-cancel', { device, force: true });
    await home.qmp.execute('block-job-dismiss', { id: device });
  }
  await home.qmp.execute('blockdev-del', { 'node-name': 'target' }).catch(() => undefined); // it went with its connection
  await mirror(home, await exportDisk(next));
  await vi.waitFor(async () => expect(await jobsOf(home)).toMatchObject([{ ready: true }]), PATIENCE);
}
