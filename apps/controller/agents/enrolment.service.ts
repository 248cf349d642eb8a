import { Inject, Injectable } from '@nestjs/common';
import type { Enrol, Enrolled } from '#contracts';
import { Database } from '#database';
import { newToken, SecretBox, sha256 } from '../auth/secrets.js';
import { Unauthorized } from '../http/problems.js';
import { type Log, LOG } from '../log.js';
import { AgentAccess } from './agent-access.js';

/** An agent introduces itself. It may do so again, with the same token: it then gets new secrets, and the old end. */
@Injectable()
export class EnrolmentService {
  constructor(
    private readonly db: Database,
    private readonly access: AgentAccess,
    private readonly box: SecretBox,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async enrol(enrolmentToken: string, agent: Enrol, now: Date): Promise<Enrolled> {
    const heartbeatToken = newToken();
    const queuePassword = newToken();
    const host = await this.db.transaction(async (tx) => {
      const credential = await tx.credentials.byEnrolmentToken(sha256(enrolmentToken));
      if (!credential)
        throw new Unauthorized('no host has this enrolment token; the answer to creating a host shows it');
      await tx.credentials.update(credential.hostId, {
        heartbeatTokenSha256: sha256(heartbeatToken),
        agentTokenEncrypted: this.box.seal(agent.agentToken),
        queuePasswordSha256: sha256(queuePassword),
        enrolledAt: now,
      });
      const { status, statusBeforeLoss, statusReason, maintenanceReason } = await tx.hosts.lock(credential.hostId);
      const { agentUrl, agentVersion, cpuCores, memoryMiB, drivers } = agent;
      const values = { agentUrl, agentVersion, cpuCores, memoryMiB, drivers, lastHeartbeatAt: now };
      const isLost = status === 'non_responsive';
      const to = status === 'installing' ? 'up' : isLost ? (statusBeforeLoss ?? 'up') : status;
      const reason = isLost ? maintenanceReason : statusReason;
      const enrolled = await tx.hosts.changeStatus(credential.hostId, to, { ...values, statusReason: reason }, now);
      const text = `${enrolled.name} has enrolled with ${cpuCores} cores and ${memoryMiB} MiB`;
      const subject = { hostId: enrolled.id, clusterId: enrolled.clusterId };
      await tx.events.add('info', 'host.enrolled', text, subject, now);
      return enrolled;
    });
    await this.access.grant(host.id, queuePassword);
    this.log.info({ hostId: host.id, host: host.name, agentUrl: agent.agentUrl }, 'agent enrolled');
    return {
      hostId: host.id,
      hostName: host.name,
      heartbeatToken,
      queue: this.access.describe(host.id, queuePassword),
    };
  }
}
