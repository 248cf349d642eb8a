/** What harts ask to be translated: each has a ring in its cache area (cpu/translation-area), which the translator empties. */
import { REQUESTS, T_PLACES_USED, T_POSTED, T_REQUESTED, T_REQUESTS, T_TAKEN } from '../cpu/translation-area.js';
import { CACHE_TRANSLATED, HART_CACHES, HART_CACHE_SIZE } from '../layout.js';
import { add32, load32, loadU64, store32, type Shared } from '../shared.js';

export interface TranslationRequest {
  readonly hart: number;
  /** Physical address of the code, counted from RAM_BASE. */
  readonly place: number;
}

const area = (hart: number) => HART_CACHES + hart * HART_CACHE_SIZE + CACHE_TRANSLATED;

/** Takes all requests of these harts. One thread alone may do this. */
export function takeRequests(shared: Shared, harts: readonly number[]): TranslationRequest[] {
  const requests: TranslationRequest[] = [];
  for (const hart of harts) {
    const at = area(hart);
    const requested = load32(shared, at + T_REQUESTED);
    for (let number = load32(shared, at + T_TAKEN); number !== requested; number = (number + 1) | 0) {
      const place = loadU64(shared, at + T_REQUESTS + (number & (REQUESTS - 1)) * 8);
      requests.push({ hart, place: Number(place) });
    }
    store32(shared, at + T_TAKEN, requested);
  }
  return requests;
}

/** Tells a hart that one more translated module has been posted to its thread. */
export function announceModule(shared: Shared, hart: number): void {
  add32(shared, area(hart) + T_POSTED, 1);
}

/** How many modules have been posted to the hart's thread since the VMM started. */
export function postedModules(shared: Shared, hart: number): number {
  return load32(shared, area(hart) + T_POSTED);
}

/** How many regions of guest code the hart has in translated form. */
export function translatedRegions(shared: Shared, hart: number): number {
  return load32(shared, area(hart) + T_PLACES_USED);
}
