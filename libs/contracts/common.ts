import { z } from 'zod';

export const Id = z.uuid();

/** A name people give: letters, digits, dot, dash, underscore; at most 63 characters, starts with a letter or digit. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'use 1-63 letters, digits, dots, dashes or underscores, first a letter or digit',
  );

/** RFC 3339 with offset, as JSON carries time. */
export const Timestamp = z.iso.datetime({ offset: true });

/** RFC 9457 problem details; `errors` names each bad field with what to do about it. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** One page of a list; pass `nextCursor` back as `cursor` for the following one, null at the end. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export const PageQuery = z.object({
  cursor: z.string().max(400).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type PageQuery = z.infer<typeof PageQuery>;
