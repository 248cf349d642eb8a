import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import type { Page, PageQuery } from '#contracts';
import { BadCursor } from './errors.js';

/** What a list is ordered by: one unique column, so that a page begins exactly where the last one ended. */
export interface Order<T> {
  readonly by: keyof T & string;
  readonly direction: 'ASC' | 'DESC';
}

const encode = (column: string, value: unknown) => Buffer.from(JSON.stringify([column, value])).toString('base64url');

function decode(column: string, cursor: string): string {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw new BadCursor();
  }
  if (!Array.isArray(content) || content[0] !== column || typeof content[1] !== 'string') throw new BadCursor();
  if (column !== 'name' && !/^\d{1,18}$/.test(content[1])) throw new BadCursor();
  return content[1];
}

/** One page of `query`, whose alias is `row`. */
export async function page<T extends ObjectLiteral>(
  query: SelectQueryBuilder<T>,
  { cursor, limit }: PageQuery,
  { by, direction }: Order<T>,
): Promise<Page<T>> {
  if (cursor !== undefined)
    query.andWhere(`row.${by} ${direction === 'ASC' ? '>' : '<'} :after`, { after: decode(by, cursor) });
  const rows = await query
    .orderBy(`row.${by}`, direction)
    .take(limit + 1)
    .getMany();
  const items = rows.slice(0, limit);
  return { items, nextCursor: rows.length > limit ? encode(by, items.at(-1)![by]) : null };
}
