import { expect, test } from 'vitest';
import { ANNOUNCE_DEFAULTS, announcePausesMs, rarpAnnouncement } from './announcement.js';
import { formatMac, isGroup, macAt, macBytes, parseMac } from './mac.js';

const MAC = parseMac('52:54:00:ab:cd:ef');

test('an announcement is the frame that QEMU sends (announce_self_create in net/announce.c)', () => {
  expect(Buffer.from(rarpAnnouncement(MAC)).toString('hex')).toBe(
    `ffffffffffff525400abcdef80350001080006040003525400abcdef00000000525400abcdef00000000${'00'.repeat(18)}`,
  );
});

test('announcements come with growing distance', () => {
  expect(announcePausesMs(ANNOUNCE_DEFAULTS)).toEqual([50, 150, 250, 350]);
  expect(announcePausesMs({ initialMs: 10, maxMs: 15, rounds: 3, stepMs: 10 })).toEqual([10, 15]);
  expect(announcePausesMs({ ...ANNOUNCE_DEFAULTS, rounds: 1 })).toEqual([]);
});

test('addresses are read and written', () => {
  expect(formatMac(MAC)).toBe('52:54:00:ab:cd:ef');
  expect(macAt(macBytes(MAC), 0)).toBe(MAC);
  expect(isGroup(MAC)).toBe(false);
  expect(isGroup(parseMac('01:00:5e:00:00:01'))).toBe(true);
  expect(() => parseMac('52:54:00:ab:cd')).toThrow(/is no MAC address: give six bytes/);
});
