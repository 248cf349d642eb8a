import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Enrol, Enrolled, Heartbeat, HeartbeatAnswer } from '#contracts';
import { Database } from '#database';
import { bearerOf, WithoutAdminToken } from '../auth/admin.guard.js';
import { sha256 } from '../auth/secrets.js';
import type { Request } from '../http/messages.js';
import { Unauthorized } from '../http/problems.js';
import { Returns } from '../http/returns.js';
import { EnrolmentService } from './enrolment.service.js';
import { HeartbeatService } from './heartbeat.service.js';

@ApiTags('agents')
@ApiBearerAuth()
@WithoutAdminToken()
@Controller('agents')
export class AgentsController {
  constructor(
    private readonly db: Database,
    private readonly enrolment: EnrolmentService,
    private readonly heartbeats: HeartbeatService,
  ) {}

  @Post('enrol')
  @Returns(Enrolled, 201)
  enrol(@Req() request: Request, @Body({ schema: Enrol }) body: Enrol): Promise<Enrolled> {
    return this.enrolment.enrol(bearerOf(request), body, new Date());
  }

  @Post('heartbeat')
  @Returns(HeartbeatAnswer)
  async heartbeat(@Req() request: Request, @Body({ schema: Heartbeat }) body: Heartbeat): Promise<HeartbeatAnswer> {
    const credential = await this.db.credentials.byHeartbeatToken(sha256(bearerOf(request)));
    if (!credential) throw new Unauthorized('this heartbeat token is not valid any more; enrol again');
    return this.heartbeats.accept(credential.hostId, body, new Date());
  }
}
