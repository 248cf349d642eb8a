import { Controller, Get, Headers, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiProduces, ApiTags } from '@nestjs/swagger';
import { EventQuery, EventView, type Page, pageOf } from '#contracts';
import { Database } from '#database';
import type { Response } from '../http/messages.js';
import { BadInput } from '../http/problems.js';
import { Returns } from '../http/returns.js';
import { EventStream } from './event-stream.js';
import { eventView } from './event.view.js';

@ApiTags('events')
@ApiBearerAuth()
@Controller('events')
export class EventsController {
  constructor(
    private readonly db: Database,
    private readonly stream: EventStream,
  ) {}

  /** Newest first. */
  @Get()
  @Returns(pageOf(EventView))
  async list(@Query({ schema: EventQuery }) query: EventQuery): Promise<Page<EventView>> {
    const { items, nextCursor } = await this.db.events.page(query);
    return { items: items.map(eventView), nextCursor };
  }

  /**
   * Server-sent events: first all clusters, hosts, VMs and active migrations, then whatever changes. With Last-Event-ID,
   * the events since then come in between.
   */
  @Get('stream')
  @ApiProduces('text/event-stream')
  async open(@Headers('last-event-id') lastEventId: string | undefined, @Res() response: Response): Promise<void> {
    if (lastEventId && !/^\d{1,18}$/.test(lastEventId))
      throw new BadInput([{ field: 'Last-Event-ID', message: 'use the id of an event of this stream' }]);
    await this.stream.open(response, lastEventId || undefined);
  }
}
