import { type DynamicModule, Module, StandardSchemaValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { AgentContext } from './agent-context.js';
import { RenewalService } from './certificates/renewal.service.js';
import { HeartbeatService } from './heartbeat/heartbeat.service.js';
import { BearerGuard } from './http/bearer.guard.js';
import { IncomingController } from './http/incoming.controller.js';
import { OrdersController } from './http/orders.controller.js';
import { invalidInput, ProblemFilter } from './http/problem.filter.js';
import { ArrivalWatch } from './migration/arrival-watch.js';
import { ConsoleTrimmer } from './vms/console-trimmer.js';
import { RecordSweep } from './vms/record-sweep.js';
import { OrderQueue } from './jobs/order-queue.js';

@Module({
  imports: [ScheduleModule.forRoot()],
  controllers: [OrdersController, IncomingController],
  providers: [
    HeartbeatService,
    ArrivalWatch,
    OrderQueue,
    RenewalService,
    RecordSweep,
    ConsoleTrimmer,
    { provide: APP_GUARD, useClass: BearerGuard },
    { provide: APP_PIPE, useValue: new StandardSchemaValidationPipe({ exceptionFactory: invalidInput }) },
  ],
})
// oxlint-disable-next-line typescript/no-extraneous-class -- Nest wants a class to hang a module on
class AppModule {}

/** The application around an agent's parts. */
export const appModuleFor = (agent: AgentContext): DynamicModule => ({
  module: AppModule,
  providers: [
    { provide: AgentContext, useValue: agent },
    { provide: APP_FILTER, useValue: new ProblemFilter(agent.log) },
  ],
});
