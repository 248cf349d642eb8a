/**
 * What a VM's process can do about a guest that writes faster than it is sent, by QEMU's capabilities and parameters
 * (qapi/migration.json). x-drover ones are those of Drover's own VMM, which changes everything in flight; QEMU refuses
 * to switch capabilities while it migrates, so what hangs on one has to be switched on before.
 */

export type ProcessMeans =
  'multifd' | 'compression' | 'xbzrle' | 'downtime_limit' | 'throttle' | 'offline_vcpus' | 'post_copy' | 'suspend';

/** `inFlight`: can be applied to a migration that runs already. */
export interface MeansOfProcess {
  readonly means: ProcessMeans;
  readonly inFlight: boolean;
}

/** A means with how much of it: connections, threads, MiB of cache, ms, percent of CPU taken, vCPUs; null: no such choice. */
export interface MeansToApply {
  readonly means: ProcessMeans;
  readonly value: number | null;
  /** Of compression. */
  readonly method?: 'zstd' | 'lz4' | undefined;
}

/** What both ends of a migration have to be ready for: means that may be applied to it, and those that it begins with. */
export interface MeansWanted {
  readonly allowed: readonly string[];
  /** Means that are no process's own are passed over. */
  readonly begunWith: readonly { readonly means: string; readonly value: number | null }[];
}

export type Execute = <Result>(command: string, given?: Readonly<Record<string, unknown>>) => Promise<Result>;

/** The capability that each hangs on; the others need none. */
const CAPABILITY: Partial<Record<ProcessMeans, string>> = {
  multifd: 'multifd',
  compression: 'compress',
  xbzrle: 'xbzrle',
  throttle: 'auto-converge',
  post_copy: 'postcopy-ram',
};
/** Those that cost nothing while they are not used: switched on before a migration whose policy allows the means. */
const HARMLESS: readonly ProcessMeans[] = ['throttle', 'post_copy'];
/** Without effect, but no throttle is weaker; the strength is set when it is wanted. */
const WEAKEST_THROTTLE = { 'cpu-throttle-initial': 1, 'cpu-throttle-increment': 1, 'max-cpu-throttle': 1 };

const THROTTLE = 'x-drover-cpu-throttle';
const PARK = 'x-drover-park-harts';
/** Longer than any rest of a memory takes: the guest is stopped after the present pass. */
const UNLIMITED_DOWNTIME_MS = 2_000_000;
const MIB = 2 ** 20;

interface Abilities {
  readonly capabilities: ReadonlyMap<string, boolean>;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** It is Drover's own VMM. */
  readonly isOwn: boolean;
}

async function abilitiesOf(execute: Execute): Promise<Abilities> {
  const listed = await execute<{ capability: string; state: boolean }[]>('query-migrate-capabilities');
  const parameters = await execute<Record<string, unknown>>('query-migrate-parameters');
  const capabilities = new Map(listed.map(({ capability, state }) => [capability, state]));
  return { capabilities, parameters, isOwn: Object.keys(parameters).some((name) => name.startsWith('x-drover-')) };
}

/** `isMigrating`: what is off now stays off, where a process cannot switch it in flight. */
export async function listMeans(execute: Execute, isMigrating: boolean): Promise<MeansOfProcess[]> {
  const abilities = await abilitiesOf(execute);
  const { capabilities, parameters, isOwn } = abilities;
  const switchable = isOwn && !isMigrating ? await switchableOf(execute, abilities) : null;
  const found: MeansOfProcess[] = [
    { means: 'downtime_limit', inFlight: true },
    { means: 'suspend', inFlight: true },
  ];
  if (THROTTLE in parameters) found.push({ means: 'throttle', inFlight: true });
  if (PARK in parameters) found.push({ means: 'offline_vcpus', inFlight: true });
  for (const [means, capability] of Object.entries(CAPABILITY) as [ProcessMeans, string][]) {
    const state = capabilities.get(capability);
    if (state === undefined || found.some((each) => each.means === means)) continue;
    if (switchable && !switchable.has(means) && !state) continue;
    found.push({ means, inFlight: state || HARMLESS.includes(means) || (isOwn && means !== 'multifd') });
  }
  return found;
}

/** Drover's VMM lists capabilities that it does not have, too, and says so when one is switched on. */
async function switchableOf(execute: Execute, { capabilities }: Abilities): Promise<Set<ProcessMeans>> {
  const switchable = new Set<ProcessMeans>();
  for (const [means, capability] of Object.entries(CAPABILITY) as [ProcessMeans, string][]) {
    if (capabilities.get(capability) === undefined) continue;
    try {
      await setCapabilities(execute, [[capability, true]]);
      await setCapabilities(execute, [[capability, capabilities.get(capability)!]]);
      switchable.add(means);
    } catch {
      continue; // it has not got it
    }
  }
  return switchable;
}

/**
 * Before `migrate` and `migrate-incoming`: switches on what `allowed` may need later and costs nothing now, and what the
 * migration is to begin with.
 */
export async function prepareMeans(execute: Execute, { allowed, begunWith }: MeansWanted): Promise<void> {
  if (allowed.length === 0 && begunWith.length === 0) return;
  const has = new Map((await listMeans(execute, false)).map((each) => [each.means, each]));
  const { parameters } = await abilitiesOf(execute);
  const ready = HARMLESS.filter((means) => allowed.includes(means) && has.has(means)).filter(
    (means) => !(means === 'throttle' && THROTTLE in parameters),
  );
  await setCapabilities(
    execute,
    ready.map((means) => [CAPABILITY[means]!, true] as const),
  );
  if (ready.includes('throttle')) await execute('migrate-set-parameters', WEAKEST_THROTTLE);
  for (const { means, value } of begunWith) {
    const own = has.get(means as ProcessMeans);
    if (own) await applyMeans(execute, { means: own.means, value });
  }
}

/** Rejects with the process's own words if it cannot. */
export async function applyMeans(execute: Execute, { means, value, method }: MeansToApply): Promise<void> {
  const set = (parameters: Record<string, unknown>) => execute('migrate-set-parameters', parameters);
  const { parameters } = await abilitiesOf(execute);
  /** Only what this process knows. */
  const known = (wanted: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(wanted).filter(([name]) => name in parameters));
  switch (means) {
    case 'multifd':
      await set({ 'multifd-channels': value });
      return setCapabilities(execute, [['multifd', true]]);
    case 'compression':
      await set(known({ 'compress-threads': value, 'x-drover-compress-method': method }));
      return setCapabilities(execute, [['compress', true]]);
    case 'xbzrle':
      await set({ 'xbzrle-cache-size': value! * MIB });
      return setCapabilities(execute, [['xbzrle', true]]);
    case 'downtime_limit':
      return void (await set({ 'downtime-limit': value }));
    case 'throttle':
      if (THROTTLE in parameters) return void (await set({ [THROTTLE]: value }));
      // QEMU raises it by itself, in one step, the next time that the guest writes too much.
      await set({ 'cpu-throttle-increment': 99, 'cpu-throttle-initial': value, 'max-cpu-throttle': value });
      return undefined;
    case 'offline_vcpus':
      return void (await set({ [PARK]: value }));
    case 'post_copy':
      return void (await execute('migrate-start-postcopy'));
    case 'suspend':
      return void (await set({ 'downtime-limit': UNLIMITED_DOWNTIME_MS }));
  }
}

async function setCapabilities(execute: Execute, wanted: readonly (readonly [string, boolean])[]): Promise<void> {
  if (wanted.length === 0) return;
  const capabilities = wanted.map(([capability, state]) => ({ capability, state }));
  await execute('migrate-set-capabilities', { capabilities });
}
