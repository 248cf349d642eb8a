import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { encodeOptions } from './fence-agent.js';
import { fenceAgent, isDangerousOption, parseFenceMetadata, PowerError } from './index.js';

const dir = mkdtempSync(join(tmpdir(), 'drover-power-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** A program that speaks as fence agents do; what it was given is in `given`. */
function agentOf(name: string, script: string) {
  const path = join(dir, name);
  writeFileSync(
    path,
    `#!/bin/sh\ninput=$(cat)\nprintf '%s\\n' "$input" > '${path}.given'\naction=\${input##*action=}\n${script}\n`,
  );
  chmodSync(path, 0o755);
  return { path, given: () => readFileSync(`${path}.given`, 'utf8') };
}

describe('an agent', () => {
  test('gets its options on stdin, the action last, and answers by its exit status', async () => {
    const { path, given } = agentOf('switch', `case $action in status) exit 2;; off) exit 0;; on) exit 0;; esac`);
    const control = fenceAgent({ path, options: { ip: '10.0.0.1', lanplus: '1' }, password: 'a b=c' });
    expect(await control.status()).toBe('off');
    expect(given()).toBe('ip=10.0.0.1\nlanplus=1\npassword=a b=c\naction=status\n');
    await control.off();
    expect(given()).toContain('action=off');
    await control.cycle();
    expect(given()).toContain('action=on');
  });

  test('that fails says what it said last, without the password', async () => {
    const { path } = agentOf('refuse', `echo "Unable to log in with hunter2 at 10.0.0.1" >&2; exit 1`);
    const control = fenceAgent({ path, options: {}, password: 'hunter2' });
    const told = 'refuse could not do "off" (exit status 1): Unable to log in with *** at 10.0.0.1';
    await expect(control.off()).rejects.toThrow(new PowerError(told));
    await expect(control.status()).rejects.toThrow(PowerError);
  });

  test('that hangs is ended with all that it has started', async () => {
    const { path } = agentOf('hang', `sleep 600 & echo $! > '${join(dir, 'child')}'; wait`);
    const control = fenceAgent({ path, options: {}, password: null, timeoutMs: 1000 });
    await expect(control.on()).rejects.toThrow('did not end within 1 s');
    const child = Number(readFileSync(join(dir, 'child'), 'utf8'));
    expect(isRunning(child)).toBe(false);
  });

  test('that is not there is named', async () => {
    const control = fenceAgent({ path: join(dir, 'nothing'), options: {}, password: null });
    await expect(control.on()).rejects.toThrow('nothing cannot be started');
  });
});

/** A process that was killed may wait to be reaped by whoever took it in. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('options', () => {
  test('are one line each, whatever they hold, or are refused', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (options) => {
        let text: string;
        try {
          text = encodeOptions(options);
        } catch (error) {
          return error instanceof PowerError;
        }
        const lines = text.split('\n').slice(0, -1);
        const back = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
        return JSON.stringify(back) === JSON.stringify(Object.entries(options));
      }),
    );
    expect(() => encodeOptions({ ip: '1\naction=off' })).toThrow(PowerError);
  });

  test('that name programs or files of the controller are known', () => {
    const dangerous = ['ipmitool_path', 'password_script', 'identity_file', 'use_sudo', 'debug_file', 'ssh_options'];
    expect(dangerous.filter((name) => !isDangerousOption(name))).toEqual([]);
    expect(['ip', 'lanplus', 'cipher', 'ssl_insecure', 'systems_uri', 'plug'].filter(isDangerousOption)).toEqual([]);
  });
});

test('metadata tell parameters and actions', () => {
  const xml = `<?xml version="1.0" ?>
<resource-agent name="fence_x" shortdesc="Switches &quot;x&quot; &amp; more" >
<parameters>
	<parameter name="ip" unique="0" required="1" obsoletes="ipaddr">
		<getopt mixed="-a, --ip=[ip]" />
		<content type="string"  />
		<shortdesc lang="en">IP address or
			host name</shortdesc>
	</parameter>
	<parameter name="lanplus" unique="0" required="0"><shortdesc lang="en">Use Lanplus</shortdesc></parameter>
</parameters>
<actions>
	<action name="on" automatic="0"/>
	<action name="status" />
</actions>
</resource-agent>`;
  expect(parseFenceMetadata(xml)).toEqual({
    name: 'fence_x',
    description: 'Switches "x" & more',
    parameters: [
      { name: 'ip', isRequired: true, description: 'IP address or host name' },
      { name: 'lanplus', isRequired: false, description: 'Use Lanplus' },
    ],
    actions: ['on', 'status'],
  });
  expect(() => parseFenceMetadata('<html></html>')).toThrow(RangeError);
});
