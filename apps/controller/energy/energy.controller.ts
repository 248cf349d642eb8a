import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { EnergyQuery, EnergyView } from '#contracts';
import { Database } from '#database';
import { BadInput } from '../http/problems.js';
import { Returns } from '../http/returns.js';
import { energyView } from './energy.view.js';

const DAY_MS = 86_400_000;
const DAYS_SHOWN = 7;
const MOST_DAYS = 366;

@ApiTags('power')
@ApiBearerAuth()
@Controller('energy')
export class EnergyController {
  constructor(private readonly db: Database) {}

  /** What hosts have drawn, and what switching them off has saved, by host and day; the last seven days unless told. */
  @Get()
  @Returns(EnergyView)
  async get(@Query({ schema: EnergyQuery }) query: EnergyQuery): Promise<EnergyView> {
    const to = query.to ?? dayOf(Date.now());
    const from = query.from ?? dayOf(Date.parse(to) - (DAYS_SHOWN - 1) * DAY_MS);
    const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
    if (days < 1 || days > MOST_DAYS)
      throw new BadInput([{ field: 'from', message: `choose a day before ${to}, and at most ${MOST_DAYS} days` }]);
    return energyView(from, to, await this.db.energy.between(from, to, query.clusterId));
  }
}

const dayOf = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, 10);
