import { expect, test } from 'vitest';
import { parseDcmiPower } from './index.js';

test('the reading of ipmitool is found among its lines', () => {
  const text = `
    Instantaneous power reading:                   220 Watts
    Minimum during sampling period:                 18 Watts
    Power reading state is:                   activated
`;
  expect(parseDcmiPower(text)).toBe(220);
  expect(parseDcmiPower('DCMI request failed because: Invalid command (c1)')).toBeNull();
});
