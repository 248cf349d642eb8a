import { type EntityManager, IsNull, Not } from 'typeorm';
import { AgentCredential } from '../entities/agent-credential.entity.js';

export class CredentialRepository {
  constructor(private readonly manager: EntityManager) {}

  private get rows() {
    return this.manager.getRepository(AgentCredential);
  }

  byEnrolmentToken(sha256: string): Promise<AgentCredential | null> {
    return this.rows.findOneBy({ enrolmentTokenSha256: sha256 });
  }

  byHeartbeatToken(sha256: string): Promise<AgentCredential | null> {
    return this.rows.findOneBy({ heartbeatTokenSha256: sha256 });
  }

  byHost(hostId: string): Promise<AgentCredential | null> {
    return this.rows.findOneBy({ hostId });
  }

  enrolled(): Promise<AgentCredential[]> {
    return this.rows.findBy({ queuePasswordSha256: Not(IsNull()) });
  }

  async update(hostId: string, values: Partial<AgentCredential>): Promise<void> {
    await this.rows.update({ hostId }, values);
  }
}
