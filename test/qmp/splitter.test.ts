import { array, assert, integer, json, property } from 'fast-check';
import { expect, test } from 'vitest';
import { JsonSplitter } from '../../libs/qmp/splitter.js';

test('objects come out as they went in, however the stream is cut', () => {
  const sizes = array(integer({ min: 1, max: 7 }), { minLength: 1 });
  assert(
    property(array(json()), sizes, (values, cuts) => {
      const objects = values.map((value) => ({ value: JSON.parse(value) as unknown }));
      const stream = objects.map((object) => JSON.stringify(object)).join('');
      const splitter = new JsonSplitter();
      const pieces = [];
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const size = cuts[cut % cuts.length]!;
        pieces.push(...splitter.push(stream.slice(at, at + size)));
        at += size;
      }
      expect(pieces).toEqual(objects.map((value) => ({ json: JSON.parse(JSON.stringify(value)) as unknown })));
    }),
  );
});

test('garbage ends at the line or at the next object', () => {
  const splitter = new JsonSplitter();
  expect(splitter.push('GET /\r\n\r\n"no"{"a":1}}} \n{broken}{"b":"}\\"{"}')).toEqual([
    { garbage: 'GET /' },
    { garbage: '"no"' },
    { json: { a: 1 } },
    { garbage: '}}' },
    { garbage: '{broken}' },
    { json: { b: '}"{' } },
  ]);
});

test('a value without end is refused', () => {
  expect(() => new JsonSplitter().push('['.repeat(1_100_000))).toThrow(/1 MiB/);
  expect(() => new JsonSplitter().push('x'.repeat(1_100_000))).toThrow(/1 MiB/);
});
