import type { Server as TlsServer } from 'node:tls';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { appModule } from './app.module.js';
import { type Backends, openBackends } from './backends.js';
import type { Config } from './config.js';
import { ConfigError } from './config-error.js';
import type { Request } from './http/messages.js';
import { servePortal } from './http/portal.js';
import { readTls } from './http/tls.js';
import { type Log, NestLog } from './log.js';

export interface Server {
  readonly url: string;
  /** Takes a renewed certificate; connections go on. Throws ConfigError if it cannot be used, and keeps the old one. */
  reloadCertificate(): void;
  /** Stops in order: no new requests, no more ticks, then the connections. */
  close(): Promise<void>;
}

/** How long requests under way may take when the controller stops. */
const GRACE_MS = 3000;

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);
const UNENCRYPTED =
  'tokens cross the network unencrypted; set DROVER_TLS_CERT_FILE and DROVER_TLS_KEY_FILE, or listen on the loopback behind a proxy that speaks TLS';

const isFromAgent = ({ url = '' }: Request) => url.startsWith('/api/v1/agents/');
const isJson = ({ headers }: Request) => /^application\/([\w.-]+\+)?json\b/i.test(headers['content-type'] ?? '');

/** Starts the controller. Throws ConfigError if a setting is wrong or a server cannot be reached. */
export async function startServer(config: Config, log: Log): Promise<Server> {
  const backends = await openBackends(config, log);
  try {
    const app = await createApp(config, log, backends);
    await app.listen(config.port, config.bind).catch((error: NodeJS.ErrnoException) => explainListen(error, config));
    let closing: Promise<void> | undefined;
    if (!config.tls && !LOOPBACK.has(config.bind)) log.warn({ bind: config.bind }, UNENCRYPTED);
    return {
      url: await app.getUrl(),
      reloadCertificate: () => reloadCertificate(app, config),
      close: () => (closing ??= close(app, backends)),
    };
  } catch (error) {
    await backends.close();
    throw error;
  }
}

function reloadCertificate(app: NestExpressApplication, { tls }: Config): void {
  if (tls) (app.getHttpServer() as unknown as TlsServer).setSecureContext(readTls(tls, new Date()));
}

async function close(app: NestExpressApplication, backends: Backends): Promise<void> {
  const http = app.getHttpServer();
  const idle = setInterval(() => http.closeIdleConnections(), 100); // agents keep theirs open between heartbeats
  const impatient = setTimeout(() => http.closeAllConnections(), GRACE_MS);
  await app.close();
  clearInterval(idle);
  clearTimeout(impatient);
  await backends.close();
}

async function createApp(config: Config, log: Log, backends: Backends): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(appModule(config, log, backends), {
    logger: new NestLog(log),
    bodyParser: false,
    abortOnError: false,
    ...(config.tls && { httpsOptions: readTls(config.tls, new Date()) }),
  });
  app.disable('x-powered-by');
  app.disable('etag'); // nothing here is worth caching
  // A heartbeat carries a piece of every VM's console; nobody else has that much to say.
  app.useBodyParser('json', { limit: '16mb', type: (request: Request) => isFromAgent(request) && isJson(request) });
  app.useBodyParser('json', { limit: '256kb', type: (request: Request) => !isFromAgent(request) && isJson(request) });
  app.setGlobalPrefix('api/v1', { exclude: ['metrics'] });
  if (config.portalDir) servePortal(app, config.portalDir);
  SwaggerModule.setup('api/docs', app, () => SwaggerModule.createDocument(app, describeApi()));
  return app;
}

const describeApi = () =>
  new DocumentBuilder()
    .setTitle('Drover')
    .setDescription(
      'Errors are RFC 9457 problem details. A POST may carry an Idempotency-Key. Lists are paged by cursor.',
    )
    .setVersion('1')
    .addBearerAuth()
    .build();

function explainListen(error: NodeJS.ErrnoException, { bind, port }: Config): never {
  if (error.code === 'EADDRINUSE')
    throw new ConfigError(
      `port ${port} on ${bind} is taken; set DROVER_PORT to a free one, or end what listens there.`,
    );
  if (error.code === 'EACCES')
    throw new ConfigError(`port ${port} may not be used by this user; set DROVER_PORT to one above 1023.`);
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    throw new ConfigError(
      `DROVER_BIND is ${bind}, which is no address of this machine; set it to one, such as 127.0.0.1.`,
    );
  throw error;
}
