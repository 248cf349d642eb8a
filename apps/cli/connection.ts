/** Where the controller is and what lets us in: options first, then environment, then what `npm start` left behind. */
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { DroverClient } from '#client';
import { UsageError } from './failure.js';

export interface ConnectionOptions {
  readonly url?: string;
  readonly tokenFile?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:7410';

const contentOf = (file: string): string | undefined =>
  existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;

/** Whose name goes with what is changed; undefined where a header cannot carry it. */
function login(): string | undefined {
  try {
    const { username } = userInfo();
    return /^[\w.@ -]{1,64}$/.test(username) ? username : undefined;
  } catch {
    return undefined; // a user that has a number, but no name
  }
}

export function connect({ url, tokenFile }: ConnectionOptions): DroverClient {
  const address = url ?? process.env.DROVER_URL ?? contentOf('.drover/url') ?? DEFAULT_URL;
  if (!URL.canParse(address)) throw new UsageError(`${address} is not a URL; use one such as ${DEFAULT_URL}`);
  if (tokenFile && !existsSync(tokenFile)) throw new UsageError(`--token-file ${tokenFile} does not exist`);
  const token = tokenFile ? contentOf(tokenFile) : (process.env.DROVER_TOKEN ?? contentOf('.drover/admin-token'));
  return new DroverClient({ url: address.replace(/\/$/, ''), token: token ?? '', actor: login() });
}
