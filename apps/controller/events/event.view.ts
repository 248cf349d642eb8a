import type { EventView } from '#contracts';
import type { Event } from '#database';

export const eventView = (event: Event): EventView => ({ ...event, at: event.at.toISOString() });
