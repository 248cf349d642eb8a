import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn, Unique } from 'typeorm';
import type { StorageDomainKind } from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, STORAGE_DOMAIN_KIND, TEXT, UUID } from './columns.js';

@Entity('storage_domain')
@Check('storage_domain_kind_check', STORAGE_DOMAIN_KIND)
@Unique('storage_domain_cluster_id_name_key', ['clusterId', 'name'])
export class StorageDomain {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @ForeignKey(() => Cluster)
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  name!: string;

  @Column(TEXT)
  kind!: StorageDomainKind;

  @Column(TEXT)
  path!: string;

  @Column(CREATED)
  createdAt!: Date;
}
