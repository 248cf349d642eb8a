/** GET /events/stream: server-sent events by fetch, since an EventSource cannot send a token. */
import { createParser } from 'eventsource-parser';
import { StreamMessage } from '#contracts';
import { ApiError, type Connection, open, pathOf } from './http.js';

export interface StreamOptions {
  readonly signal: AbortSignal;
  /** Told when the connection is there (true) or lost (false). */
  readonly onConnection?: (connected: boolean) => void;
  /** Replays the events after this one. */
  readonly lastEventId?: string;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** The server sends a comment each 15 s: longer silence means that the connection is dead. */
const SILENCE_MS = 40_000;

/** Messages until `signal` is aborted. A lost connection is taken up again; a refused token (401) throws ApiError. */
export async function* streamOf(connection: Connection, options: StreamOptions): AsyncGenerator<StreamMessage> {
  const { signal, onConnection } = options;
  let lastEventId = options.lastEventId;
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    try {
      for await (const message of messagesOf(connection, signal, lastEventId, () => onConnection?.(true))) {
        retryMs = FIRST_RETRY_MS;
        if (message.kind === 'event') lastEventId = message.data.id;
        yield message;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    onConnection?.(false);
    await sleep(retryMs, signal);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

async function* messagesOf(
  connection: Connection,
  signal: AbortSignal,
  lastEventId: string | undefined,
  onOpen: () => void,
): AsyncGenerator<StreamMessage> {
  const ended = new AbortController();
  const end = () => ended.abort();
  signal.addEventListener('abort', end);
  let timer = setTimeout(end, SILENCE_MS);
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (lastEventId) headers['last-event-id'] = lastEventId;
  try {
    const response = await open(connection, pathOf('/events/stream'), { headers, signal: ended.signal });
    onOpen();
    const arrived: StreamMessage[] = [];
    const parser = createParser({
      onEvent: ({ event, data }) => {
        const message = StreamMessage.safeParse({ kind: event, data: JSON.parse(data) as unknown });
        if (message.success) arrived.push(message.data); // a newer controller may send kinds that we do not know
      },
    });
    const decoder = new TextDecoder();
    const reader = response.body!.getReader();
    // Checked before each read: on Node 20 a read that begins after the abort never ends.
    while (!ended.signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      parser.feed(decoder.decode(value, { stream: true }));
      yield* arrived.splice(0);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    end(); // lets go of the connection also when the caller stops reading
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });
}
