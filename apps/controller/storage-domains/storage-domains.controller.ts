import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { CreateStorageDomain, Id, type Page, pageOf, StorageDomainQuery, StorageDomainView } from '#contracts';
import { Database, type StorageDomain } from '#database';
import { Refused } from '../http/problems.js';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { storageDomainView } from './storage-domain.view.js';

@ApiTags('storage domains')
@ApiBearerAuth()
@Controller('storage-domains')
export class StorageDomainsController {
  constructor(private readonly db: Database) {}

  @Get()
  @Returns(pageOf(StorageDomainView))
  async list(@Query({ schema: StorageDomainQuery }) query: StorageDomainQuery): Promise<Page<StorageDomainView>> {
    const { items, nextCursor } = await this.db.storageDomains.page(query);
    return { items: await this.views(items), nextCursor };
  }

  /** A folder on the hosts of a cluster where disks of its VMs may be. */
  @Post()
  @Returns(StorageDomainView, 201)
  create(@Body({ schema: CreateStorageDomain }) body: CreateStorageDomain): Promise<StorageDomainView> {
    return this.db.transaction(async (tx) => {
      const cluster = await tx.clusters.get(body.clusterId);
      const domain = await tx.storageDomains.create(body);
      const text = `${domain.name}, ${domain.kind} storage in ${domain.path}, was added to ${cluster.name}`;
      await tx.events.add('info', 'storage_domain.created', text, { clusterId: cluster.id }, new Date());
      return storageDomainView(domain, { diskCount: 0, diskMiB: 0 });
    });
  }

  @Get(':id')
  @Returns(StorageDomainView)
  async get(@Param('id', { schema: Id }) id: string): Promise<StorageDomainView> {
    return (await this.views([await this.db.storageDomains.get(id)]))[0]!;
  }

  /** Only one without disks can be deleted. */
  @Delete(':id')
  @ReturnsNothing()
  async remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { clusterId, name } = await tx.storageDomains.get(id);
      await tx.clusters.lockDecisions(clusterId);
      const { diskCount } = (await tx.storageDomains.usage([id]))(id);
      if (diskCount > 0) {
        throw new Refused(
          `storage domain ${name} has ${diskCount} ${diskCount === 1 ? 'disk' : 'disks'}: delete their VMs first`,
        );
      }
      await tx.storageDomains.remove(id);
      await tx.events.add('info', 'storage_domain.deleted', `${name} was deleted`, { clusterId }, new Date());
    });
  }

  private async views(domains: readonly StorageDomain[]): Promise<StorageDomainView[]> {
    const usage = await this.db.storageDomains.usage(domains.map(({ id }) => id));
    return domains.map((domain) => storageDomainView(domain, usage(domain.id)));
  }
}
