import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { FetchError } from '../guest/apt.js';
import { ARCHITECTURES, type GuestArchitecture } from '../guest/architecture.js';
import { fetchGuest, type FetchedGuest } from '../guest/fetch.js';
import { Progress } from '../guest/progress.js';
import { refuseWatch } from '../output.js';
import { mib, record } from '../table.js';

/** Where the demo's hosts look for images, each in a folder of its name. */
const DEFAULT_FOLDERS = { riscv64: '.drover/images/linux', x86_64: '.drover/images/linux-x86_64' } as const;
const OWN_FILES = new URL('../../../guests/linux', import.meta.url); // seen from dist/apps/cli, where the CLI is one file
const REMEDY = 'On any system, a -kernel and an -initrd of your own can be given to drover-vmm.';

interface FetchCommandOptions {
  readonly folder?: string;
  readonly architecture: GuestArchitecture;
  readonly suite: string;
  readonly force?: boolean;
}

/** What runs it, without a datacenter. */
const COMMANDS: Record<GuestArchitecture, readonly [string, string]> = {
  riscv64: ['drover-vmm', ''],
  x86_64: ['qemu-system-x86_64', ' -append console=ttyS0'],
};

const describe = ({ folder, architecture, isNew, manifest }: FetchedGuest) =>
  [
    record({
      kernel: `${join(folder, manifest.kernel.file)} (${mib(manifest.kernel.bytes)})`,
      initrd: `${join(folder, manifest.initrd.file)} (${mib(manifest.initrd.bytes)})`,
      debian: `${manifest.suite}, ${manifest.packages[0]!.name} ${manifest.packages[0]!.version}`,
      state: isNew ? 'fetched' : 'there already; --force fetches it anew',
    }),
    '',
    `${COMMANDS[architecture][0]} -m 256M -kernel ${join(folder, 'kernel')} -initrd ${join(folder, 'initrd')} -nographic${COMMANDS[architecture][1]}`,
  ].join('\n');

export function guestCommands(program: Command): void {
  const guest = program.command('guest').description('guests for this machine; needs no controller');
  guest
    .command('fetch')
    .description("makes a Linux guest of Debian's packages, from the mirror that this machine's apt uses")
    .addOption(
      new Option('--architecture <architecture>', 'of the guest; x86_64 is for VMs on QEMU')
        .choices(Object.keys(ARCHITECTURES))
        .default('riscv64'),
    )
    .option(
      '--folder <folder>',
      'where kernel, initrd and manifest.json go: .drover/images/linux, or linux-x86_64 beside',
    )
    .option('--suite <suite>', 'release of Debian; trixie is the first with riscv64', 'trixie')
    .option('--force', 'also if it is there: for newer packages')
    .addHelpText('after', `\nNeeds apt, dpkg and xz, as on Debian and systems made of it, but no root. ${REMEDY}`)
    .action(async (options: FetchCommandOptions, command: Command) => {
      refuseWatch(command);
      const interrupt = new AbortController();
      const onSignal = () => interrupt.abort(new FetchError('interrupted; nothing was changed'));
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      try {
        const fetched = await fetchGuest({
          folder: resolve(options.folder ?? DEFAULT_FOLDERS[options.architecture]),
          architecture: options.architecture,
          suite: options.suite,
          force: options.force ?? false,
          overlay: OWN_FILES.pathname,
          progress: new Progress(),
          signal: interrupt.signal,
        });
        console.log(command.optsWithGlobals<{ json?: boolean }>().json ? json(fetched) : describe(fetched));
      } catch (error) {
        if (error instanceof FetchError && !interrupt.signal.aborted)
          throw new FetchError(`${error.message}. ${REMEDY}`);
        throw error;
      } finally {
        process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      }
    });
}

const json = ({ folder, architecture, isNew, manifest }: FetchedGuest): string =>
  JSON.stringify({ folder, architecture, isNew, ...manifest }, null, 2);
