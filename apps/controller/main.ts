/** The controller: `node dist/apps/controller/main.js`; its settings come from the environment (config.ts). */
import 'reflect-metadata';
import { readConfig } from './config.js';
import { ConfigError } from './config-error.js';
import { createLog } from './log.js';
import { startServer } from './server.js';

try {
  const config = readConfig(process.env);
  const log = createLog(config.logLevel);
  const server = await startServer(config, log);
  log.info({ url: server.url, queue: config.redisUrl ? 'redis' : 'postgres' }, 'ready');
  if (config.tls)
    process.on('SIGHUP', () => {
      try {
        server.reloadCertificate();
        log.info('certificate read again');
      } catch (error) {
        log.error({ err: error }, 'the certificate stays what it was');
      }
    });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      server.close().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'did not stop in order');
          process.exit(1);
        },
      );
    });
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(`drover controller: ${error.message}`);
  process.exit(1);
}
