import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { CertificateRequest, Enrol, Enrolled, Heartbeat, HeartbeatAnswer, HostCertificate } from '#contracts';
import { Database } from '#database';
import { bearerOf, WithoutAdminToken } from '../auth/admin.guard.js';
import { sha256 } from '../auth/secrets.js';
import { CertificateAuthority } from '../certificates/certificate-authority.js';
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
    private readonly authority: CertificateAuthority,
  ) {}

  @Post('enrol')
  @Returns(Enrolled, 201)
  enrol(@Req() request: Request, @Body({ schema: Enrol }) body: Enrol): Promise<Enrolled> {
    return this.enrolment.enrol(bearerOf(request), body, new Date());
  }

  @Post('heartbeat')
  @Returns(HeartbeatAnswer)
  async heartbeat(@Req() request: Request, @Body({ schema: Heartbeat }) body: Heartbeat): Promise<HeartbeatAnswer> {
    return this.heartbeats.accept(await this.hostOf(request), body, new Date());
  }

  /** For migrations, in which hosts know each other by their certificates; asked for again before it ends. */
  @Post('certificate')
  @Returns(HostCertificate, 201)
  async certify(
    @Req() request: Request,
    @Body({ schema: CertificateRequest }) { certificateRequest }: CertificateRequest,
  ): Promise<HostCertificate> {
    return this.authority.certify(await this.hostOf(request), certificateRequest, new Date());
  }

  private async hostOf(request: Request): Promise<string> {
    const credential = await this.db.credentials.byHeartbeatToken(sha256(bearerOf(request)));
    if (!credential) throw new Unauthorized('this heartbeat token is not valid any more; enrol again');
    return credential.hostId;
  }
}
