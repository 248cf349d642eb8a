/** A host's agent: starts VMs, carries out the host's orders, tells the controller what is here. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Isolation } from '#hypervisor';
import { AgentContext } from './agent-context.js';
import { appModuleFor } from './app.module.js';
import { type AgentConfig, readConfig } from './config.js';
import { HeartbeatService } from './heartbeat/heartbeat.service.js';
import { listen, listenForMigrations, listenForTunnels } from './listen.js';
import { OrderQueue } from './jobs/order-queue.js';
import { Hypervisors } from './vms/hypervisors.js';
import { createLog, nestLog, type Log } from './log.js';
import { MigrationLog } from './migration/migration-log.js';

const projectDir = join(import.meta.dirname, '..', '..', '..');
const { version } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')) as { version: string };

async function run(config: AgentConfig): Promise<void> {
  const migrationLog = new MigrationLog();
  const log = createLog(config.logLevel, (given, level) => migrationLog.note(given, level));
  const isolation = await isolationOf(config, log);
  const hypervisors = await Hypervisors.find(config.vmmProgram, version, isolation);
  log.info({ drivers: hypervisors.told }, 'what VMs can run on here');
  const agent = new AgentContext(config, version, isolation, hypervisors, migrationLog, log);
  const tunnelPort = await listenForTunnels(agent.network, config);
  await agent.vms.adoptAll(); // before anybody can ask: what runs here must be known
  const options = { logger: nestLog(log), abortOnError: false };
  const app = await NestFactory.create<NestExpressApplication>(appModuleFor(agent), options);
  app.useBodyParser('json', { limit: '256kb' });
  const migrationPort = await listenForMigrations(agent.tunnelExit, config);
  agent.listensAt(await listen(app, config), { tunnelPort, migrationPort });
  log.info({ url: agent.url, dir: config.dir, vms: agent.vms.records().length }, 'agent listens');

  agent.outgoing.resumeAll();
  const queue = app.get(OrderQueue);
  void queue.open();

  let isEnding = false;
  const end = async (signal: string) => {
    if (isEnding) process.exit(130);
    isEnding = true;
    log.info({ signal, stopVms: config.stopVmsOnExit }, 'agent ends');
    agent.outgoing.close();
    agent.commands.close();
    await queue.close();
    if (config.stopVmsOnExit) {
      await agent.orders.stopAll('host shut down');
      await app.get(HeartbeatService).sayFarewell();
    }
    await app.close();
    agent.vms.release();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
}

async function isolationOf({ vmmProgram, vmUsers, dir, isolation }: AgentConfig, log: Log): Promise<Isolation> {
  if (!isolation) return Isolation.none(vmmProgram, 'switched off by DROVER_ISOLATION');
  const found = await Isolation.probe({ program: vmmProgram, users: vmUsers, owner: dir });
  for (const { measure, inForce, reason } of found.measures)
    if (!inForce) log.warn({ measure, reason }, 'VMs of this host are not isolated in this way');
  return found;
}

try {
  await run(readConfig(process.env, projectDir));
} catch (error) {
  process.stderr.write(`drover-agent: ${(error as Error).message}\n`);
  process.exit(1);
}
