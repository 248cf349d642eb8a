/** OpenIPMI's simulator of a BMC (`ipmi_sim`): its chassis control is a program, for which power is a file. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For the option `cipher`: what ipmi_sim speaks; asking it for all of them takes ipmitool 14 seconds. */
export const CIPHER_SUITE = '3';

export const hasIpmiSim = ['ipmi_sim', 'ipmitool', 'fence_ipmilan'].every((program) => {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;
  if (!found) console.warn(`skipped: switching hosts by IPMI, because ${program} is not installed`);
  return found;
});

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(() => done()));
  return port;
}

export class IpmiSim {
  private constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly process: ChildProcess,
  ) {}

  /** A BMC that lets in this user alone, of a host that is on. */
  static async start(username: string, password: string): Promise<IpmiSim> {
    const dir = mkdtempSync(join(tmpdir(), 'drover-bmc-'));
    const port = await freeUdpPort();
    const chassis = join(dir, 'chassis');
    // ipmi_lan(5), chassis_control: `get NAME...` prints NAME:VALUE, `set NAME VALUE...`.
    writeFileSync(
      chassis,
      `#!/bin/sh
case $1 in
  get) [ "$2" = power ] && echo "power:$(cat '${dir}/power')";;
  set) [ "$2" = power ] && echo "$3" > '${dir}/power.new' && mv '${dir}/power.new' '${dir}/power';;
esac
`,
    );
    chmodSync(chassis, 0o755);
    writeFileSync(join(dir, 'power'), '1\n');
    const allowed = ['callback', 'user', 'operator', 'admin'].map(
      (who) => `allowed_auths_${who} none md2 md5 straight`,
    );
    writeFileSync(
      join(dir, 'lan.conf'),
      `name "host"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 ${port}
  priv_limit admin
  ${allowed.join('\n  ')}
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "${chassis}"
user 2 true "${username}" "${password}" admin 10 none md2 md5 straight
`,
    );
    writeFileSync(
      join(dir, 'sim.emu'),
      'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n',
    );
    mkdirSync(join(dir, 'state'));
    const files = ['-c', join(dir, 'lan.conf'), '-f', join(dir, 'sim.emu'), '-s', join(dir, 'state')];
    return new IpmiSim(port, dir, spawn('ipmi_sim', ['-n', ...files], { stdio: 'ignore' }));
  }

  get isOn(): boolean {
    return readFileSync(join(this.dir, 'power'), 'utf8').trim() === '1';
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGKILL');
      await once(this.process, 'exit');
    }
    rmSync(this.dir, { recursive: true });
  }
}
