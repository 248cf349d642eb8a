/** What a BMC measures: DCMI over IPMI by ipmitool, or Redfish's resource Power. */
import { request } from 'node:https';
import { PowerError } from './power-control.js';
import { run } from './program.js';

export interface WattsSource {
  readonly kind: 'dcmi' | 'redfish';
  readonly address: string;
  readonly port: number | null;
  readonly username: string;
  readonly password: string;
  /** Certificates of BMCs are mostly their own; true: one that nobody has signed will do. */
  readonly acceptsAnyCertificate: boolean;
}

const TIMEOUT_MS = 15_000;
const MAX_BODY_BYTES = 1024 * 1024;

/** Throws PowerError if it cannot be reached, or does not tell. */
export const readWatts = (source: WattsSource): Promise<number> =>
  source.kind === 'dcmi' ? readDcmi(source) : readRedfish(source);

async function readDcmi({ address, port, username, password }: WattsSource): Promise<number> {
  const where = ['-I', 'lanplus', '-H', address, ...(port === null ? [] : ['-p', String(port)]), '-U', username];
  const { exitCode, stdout, stderr } = await run({
    path: '/usr/bin/ipmitool',
    args: [...where, '-E', '-N', '5', '-R', '1', 'dcmi', 'power', 'reading'],
    env: { IPMI_PASSWORD: password }, // only this user can read a process's environment
    stdin: '',
    timeoutMs: TIMEOUT_MS,
  });
  const watts = parseDcmiPower(stdout);
  if (exitCode !== 0 || watts === null)
    throw new PowerError(`ipmitool tells no watts: ${stderr.trim().split('\n').at(-1) || 'no reading'}`);
  return watts;
}

/** `Instantaneous power reading: 220 Watts` of ipmitool's `dcmi power reading`; null: it is not there. */
export function parseDcmiPower(text: string): number | null {
  const watts = /^\s*Instantaneous power reading:\s*(\d+)\s+Watts/m.exec(text)?.[1];
  return watts === undefined ? null : Number(watts);
}

/** DSP2046, schema Power: PowerControl[].PowerConsumedWatts, summed over the chassis. */
async function readRedfish(source: WattsSource): Promise<number> {
  const { Members = [] } = (await get(source, '/redfish/v1/Chassis')) as { Members?: { '@odata.id': string }[] };
  let sum: number | null = null;
  for (const member of Members) {
    const power = await get(source, `${member['@odata.id']}/Power`).catch(() => ({}));
    const { PowerControl = [] } = power as { PowerControl?: { PowerConsumedWatts?: number | null }[] };
    for (const { PowerConsumedWatts } of PowerControl)
      if (typeof PowerConsumedWatts === 'number') sum = (sum ?? 0) + PowerConsumedWatts;
  }
  if (sum === null) throw new PowerError(`the Redfish service at ${source.address} tells no PowerConsumedWatts`);
  return sum;
}

function get(
  { address, port, username, password, acceptsAnyCertificate }: WattsSource,
  path: string,
): Promise<unknown> {
  const auth = `${username}:${password}`;
  const where = { host: address, port: port ?? 443, path, auth, headers: { accept: 'application/json' } };
  return new Promise((done, failed) => {
    const fail = (why: string) => failed(new PowerError(`Redfish at ${address}: ${why}`));
    const asked = request({ ...where, rejectUnauthorized: !acceptsAnyCertificate, timeout: TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_BODY_BYTES) asked.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => {
        if (response.statusCode !== 200) return fail(`${path} answers ${response.statusCode}`);
        try {
          return done(JSON.parse(text));
        } catch {
          return fail(`${path} is no JSON`);
        }
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', (error) => fail(error.message));
    asked.end();
  });
}
