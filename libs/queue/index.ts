/** Orders from the controller to the hosts' agents: BullMQ, one queue for each host, on Redis or on PostgreSQL. */
export { chooseQueueServer, HostQueues, type QueueServer } from './host-queues.js';
export { type HostWorker, openHostWorker } from './host-worker.js';
export { QUEUE_PREFIX, QUEUE_SCHEMA, queueName } from './names.js';
export { RedisAccess } from './redis-access.js';
