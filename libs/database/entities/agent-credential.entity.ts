import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { CREATED, TEXT, TIME, UUID } from './columns.js';
import { Host } from './host.entity.js';

/**
 * What proves who an agent is. Tokens that only have to be recognised are kept as SHA-256. The agent's own token has to
 * be shown to it in direct orders, so it is kept encrypted, with a key that is not in the database: whoever reads a
 * backup of the database can neither speak for an agent nor give it orders.
 */
@Entity('agent_credential')
export class AgentCredential {
  @ForeignKey(() => Host, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  hostId!: string;

  @Index({ unique: true })
  @Column(TEXT)
  enrolmentTokenSha256!: string;

  @Index({ unique: true })
  @Column({ ...TEXT, nullable: true })
  heartbeatTokenSha256!: string | null;

  /** AES-256-GCM: nonce, tag, ciphertext. */
  @Column({ type: 'bytea', nullable: true })
  agentTokenEncrypted!: Buffer | null;

  /** For Redis, which forgets its users when it restarts. */
  @Column({ ...TEXT, nullable: true })
  queuePasswordSha256!: string | null;

  @Column({ ...TIME, nullable: true })
  enrolledAt!: Date | null;

  @Column(CREATED)
  createdAt!: Date;
}
