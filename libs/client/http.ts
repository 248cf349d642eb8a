/** One HTTP exchange with the controller: token, JSON, problem+json, time limit. */
import { Problem } from '#contracts';

export interface Connection {
  /** Where the controller is, such as http://127.0.0.1:7410; empty for the page's own origin. */
  readonly url: string;
  readonly token: string;
  /** Who asks, for the record. */
  readonly actor?: string | undefined;
  /** Longest time that a request may take. */
  readonly timeoutMs?: number;
}

/** The controller refused or failed: RFC 9457 problem details. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly errors: readonly { field: string; message: string }[],
  ) {
    super([detail || title, ...errors.map(({ field, message }) => `${field}: ${message}`)].join('; '));
    this.name = 'ApiError';
  }
}

/** No answer came: nothing listens there, or it took too long. */
export class ConnectionError extends Error {
  override name = 'ConnectionError';
}

type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Path and query of a request below /api/v1; undefined and null values are left out. */
export function pathOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== null) parameters.set(name, String(value));
  return `/api/v1${path}${parameters.size > 0 ? `?${parameters}` : ''}`;
}

/** What a failed answer says, also when it is no problem+json (a proxy's page, say). */
async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined; // not from the controller itself
  }
  const problem = Problem.safeParse(body);
  if (!problem.success) return new ApiError(response.status, response.statusText, text.slice(0, 200), []);
  const { title, detail = '', errors = [] } = problem.data;
  return new ApiError(response.status, title, detail, errors);
}

function noAnswer(connection: Connection, error: unknown): ConnectionError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(`no answer from the controller at ${connection.url || 'this address'}: ${why}`);
}

/** fetch with token; throws ConnectionError if no answer came, ApiError if it was not a success. */
export async function open(connection: Connection, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { accept: 'application/json', authorization: `Bearer ${connection.token}`, ...init.headers };
  const response = await fetch(connection.url + path, { ...init, headers }).catch((error: Error) => {
    if (init.signal?.aborted && error.name === 'AbortError') throw error;
    throw noAnswer(connection, error);
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** One request; the JSON of its answer, undefined for an empty one. A POST carries an Idempotency-Key. */
export async function request<T>(connection: Connection, method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (connection.actor) headers['drover-actor'] = connection.actor;
  if (method === 'POST') headers['idempotency-key'] = crypto.randomUUID();
  if (body !== undefined) headers['content-type'] = 'application/json';
  const signal = AbortSignal.timeout(connection.timeoutMs ?? 30_000);
  const response = await open(connection, path, { method, headers, body: JSON.stringify(body), signal });
  const text = await response.text().catch((error: unknown) => {
    throw noAnswer(connection, error); // cut off in the middle
  });
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ConnectionError(`what answers at ${connection.url || 'this address'} is no Drover controller`);
  }
}
