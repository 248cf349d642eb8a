import { afterAll, describe } from 'vitest';
import { spread } from '../e2e/spread.js';
import { hasRedis, startTestRedis } from '../redis.js';

describe.skipIf(!hasRedis)('with Redis', () => {
  let redis: Awaited<ReturnType<typeof startTestRedis>>;
  spread('on the Redis queue', async () => {
    redis = await startTestRedis();
    return redis.url;
  });
  afterAll(() => redis?.stop());
});
