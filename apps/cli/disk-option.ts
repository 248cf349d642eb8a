import { InvalidArgumentError } from 'commander';

interface DiskOption {
  /** Name or id of the storage domain. */
  readonly domain: string;
  readonly sizeMiB: number;
  readonly sourceImage: string | null;
}

/** --disk DOMAIN:MIB[:IMAGE], which may be given several times. */
export function diskOption(text: string, before: readonly DiskOption[] = []): readonly DiskOption[] {
  const [, domain, sizeMiB, sourceImage = null] = /^([^:]+):(\d+)(?::([^:]+))?$/.exec(text) ?? [];
  if (domain === undefined) throw new InvalidArgumentError('Give DOMAIN:MIB, or DOMAIN:MIB:IMAGE.');
  return [...before, { domain, sizeMiB: Number(sizeMiB), sourceImage }];
}
