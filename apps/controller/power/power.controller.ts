import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  HostPowerView,
  Id,
  OrderPower,
  type PowerOperationKind,
  PowerStatusView,
  SetPowerManagement,
  UpdateHostPower,
} from '#contracts';
import { Returns } from '../http/returns.js';
import { HostPowers } from './host-power.service.js';

@ApiTags('power')
@ApiBearerAuth()
@Controller('hosts/:id')
export class PowerController {
  constructor(private readonly powers: HostPowers) {}

  /** How the host is switched, what is under way, how long it took to boot, what it draws. Passwords are never shown. */
  @Get('power')
  @Returns(HostPowerView)
  get(@Param('id', { schema: Id }) id: string): Promise<HostPowerView> {
    return this.powers.view(id, new Date());
  }

  /** Its power curve, and since when it is in service. */
  @Patch('power')
  @Returns(HostPowerView)
  async update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateHostPower }) body: UpdateHostPower,
  ): Promise<HostPowerView> {
    await this.powers.update(id, body);
    return this.get(id);
  }

  /** How Drover switches the host on and off. A password that is left out stays. */
  @Put('power-management')
  @Returns(HostPowerView)
  async setManagement(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: SetPowerManagement }) body: SetPowerManagement,
  ): Promise<HostPowerView> {
    await this.powers.setManagement(id, body, new Date());
    return this.get(id);
  }

  @Delete('power-management')
  @Returns(HostPowerView)
  async removeManagement(@Param('id', { schema: Id }) id: string): Promise<HostPowerView> {
    await this.powers.removeManagement(id, new Date());
    return this.get(id);
  }

  /** Asks the host's power management now. */
  @Post('power/status')
  @HttpCode(200)
  @Returns(PowerStatusView)
  status(@Param('id', { schema: Id }) id: string): Promise<PowerStatusView> {
    return this.powers.status(id);
  }

  /** A host that is off, or does not answer. It is in maintenance when it answers. */
  @Post('power/on')
  @Returns(HostPowerView, 202)
  on(@Param('id', { schema: Id }) id: string, @Body({ schema: OrderPower }) body: OrderPower): Promise<HostPowerView> {
    return this.order(id, 'on', body);
  }

  /** A host in maintenance that runs nothing. */
  @Post('power/off')
  @Returns(HostPowerView, 202)
  off(@Param('id', { schema: Id }) id: string, @Body({ schema: OrderPower }) body: OrderPower): Promise<HostPowerView> {
    return this.order(id, 'off', body);
  }

  /** Off, then on. */
  @Post('power/cycle')
  @Returns(HostPowerView, 202)
  cycle(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: OrderPower }) body: OrderPower,
  ): Promise<HostPowerView> {
    return this.order(id, 'cycle', body);
  }

  /** Off and on, to see that the host comes back and how long it takes: policies switch no other host off. */
  @Post('power/test')
  @Returns(HostPowerView, 202)
  test(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: OrderPower }) body: OrderPower,
  ): Promise<HostPowerView> {
    return this.order(id, 'test', body);
  }

  private async order(id: string, kind: PowerOperationKind, { reason, force }: OrderPower): Promise<HostPowerView> {
    await this.powers.order(id, { kind, reason, force, statusAfter: 'maintenance' }, new Date());
    return this.get(id);
  }
}
