import { expect, test } from 'vitest';
import * as prettier from 'prettier';
import { formatFigure, formatRatio, median, quartiles, renderSection, renderTable, replaceSection } from './table.js';

test('the median is the middle value, or between the two in the middle', () => {
  expect(median([30, 10, 20])).toBe(20);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow(RangeError);
});

test('quartiles are the medians of both halves, which share the middle value', () => {
  expect(quartiles([5, 1, 4, 2, 3])).toEqual([2, 4]);
  expect(quartiles([4, 1, 3, 2])).toEqual([1.5, 3.5]);
  expect(quartiles([7])).toEqual([7, 7]);
});

test.each([
  [0, '0'],
  [0.012345, '0.0123'],
  [1.5, '1.5'],
  [99.94, '99.9'],
  [99.96, '100'],
  [1234.5, '1,235'],
  [-7.126, '-7.13'],
])('%d is written %s', (value, text) => {
  expect(formatFigure(value)).toBe(text);
});

test('what is not a number is no figure', () => {
  expect(() => formatFigure(Number.NaN)).toThrow('NaN is not a figure');
});

test('a ratio is ours over theirs', () => {
  expect(formatRatio(300, 600)).toBe('0.5×');
  expect(formatRatio(3, 0)).toBe('–');
});

test('columns line up, also with characters outside ASCII and with bars', () => {
  expect(renderTable(['VMM', 'a|b'], [['Drover', '1×']])).toBe(
    ['| VMM    | a\\|b |', '| ------ | ---- |', '| Drover | 1×   |'].join('\n'),
  );
  expect(() => renderTable(['one', 'two'], [['alone']])).toThrow(RangeError);
});

test('only the named section of the document changes, and the result is as prettier would write it', async () => {
  const document =
    '# Figures\n\n<!-- bench:a -->\n\nold\n\n<!-- /bench:a -->\n\nHand-written.\n\n<!-- bench:b -->\n\nkept\n\n<!-- /bench:b -->\n';
  const section = { columns: ['Figure', 'Value, ms'], rows: [['pause', '0.5×']], notes: ['median of 3', 'two'] };
  const changed = replaceSection(document, 'a', renderSection('2026-01-01, on a machine', section));
  expect(changed).not.toContain('old');
  expect(changed).toContain('Hand-written.');
  expect(changed).toContain('kept');
  expect(await prettier.check(changed, { parser: 'markdown' })).toBe(true);
  const again = replaceSection(changed, 'a', renderSection('2026-01-01, on a machine', section));
  expect(again).toBe(changed);
  expect(() => replaceSection(document, 'c', '')).toThrow('<!-- bench:c -->');
});
