/** What answers of the tests' controller are made of. */
import { z } from 'zod';

export const at = '2026-01-01T00:00:00Z';
export const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly lastEventId: string | undefined;
  readonly actor: string | undefined;
  readonly body: unknown;
}
export const problem = (status: number, title: string, detail: string) => ({
  status,
  body: { type: 'about:blank', title, status, detail },
});
export const found = (body: unknown) => ({ status: 200, body });
export const pageOf = (items: object[], url: URL) => {
  const name = url.searchParams.get('name');
  return found({
    items: items.filter((item) => name === null || ('name' in item && item.name === name)),
    nextCursor: null,
  });
};
/** Bodies are held against the contract: what the real controller would refuse is refused here. */
export const taken = (schema: z.ZodType, body: unknown, answer: unknown) => {
  const { success, error } = schema.safeParse(body);
  return success ? found(answer) : problem(400, 'Bad Request', z.prettifyError(error));
};
