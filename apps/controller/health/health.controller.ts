import { Controller, Get, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Database } from '#database';
import { HostQueues } from '#queue';
import { WithoutAdminToken } from '../auth/admin.guard.js';
import type { Response } from '../http/messages.js';
import { Returns } from '../http/returns.js';

const Answering = z.enum(['ok', 'unreachable']);
const Health = z.object({ status: z.enum(['ok', 'degraded']), database: Answering, queue: Answering });
const Me = z.object({ name: z.string(), role: z.literal('admin') });

const TIMEOUT_MS = 3000;

const answering = (ping: Promise<void>): Promise<z.infer<typeof Answering>> =>
  Promise.race([
    ping.then(
      () => 'ok' as const,
      () => 'unreachable' as const,
    ),
    new Promise<'unreachable'>((resolve) => setTimeout(resolve, TIMEOUT_MS, 'unreachable').unref()),
  ]);

@ApiTags('operation')
@Controller()
export class HealthController {
  constructor(
    private readonly db: Database,
    private readonly queues: HostQueues,
  ) {}

  /** 503 while the controller cannot do its work; it stays up and recovers by itself. */
  @Get('health')
  @WithoutAdminToken()
  @Returns(Health)
  async health(@Res({ passthrough: true }) response: Response): Promise<z.infer<typeof Health>> {
    const [database, queue] = await Promise.all([answering(this.db.ping()), answering(this.queues.ping())]);
    const status = database === 'ok' && queue === 'ok' ? 'ok' : 'degraded';
    if (status !== 'ok') response.statusCode = 503;
    return { status, database, queue };
  }

  /** Whose token this is: what a sign-in checks. */
  @Get('me')
  @ApiBearerAuth()
  @Returns(Me)
  me(): z.infer<typeof Me> {
    return { name: 'admin', role: 'admin' };
  }
}
