import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { CREATED, TEXT } from './columns.js';

/** A POST that carried an Idempotency-Key, and how it was answered; status is null while it is being carried out. */
@Entity('idempotency_key')
export class IdempotencyKey {
  @PrimaryColumn(TEXT)
  key!: string;

  /** Of method, path and body. */
  @Column(TEXT)
  requestSha256!: string;

  @Column({ type: 'integer', nullable: true })
  status!: number | null;

  /** Encrypted by the controller: an answer may hold a token. */
  @Column({ type: 'bytea', nullable: true })
  responseEncrypted!: Buffer | null;

  @Index()
  @Column(CREATED)
  createdAt!: Date;
}
