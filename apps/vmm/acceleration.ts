/** -accel: how guest code is executed. */
import { parseProperties } from './devices/properties.js';

export interface Acceleration {
  /** False: guest code is interpreted, always. */
  readonly translate: boolean;
  /** Jumps to an address after which the code there is translated. */
  readonly translateAfter: number;
}

/** High, since a translation costs milliseconds of a core: most code of a guest that boots never pays that back. */
const TRANSLATE_AFTER = 8000;
const MOST_JUMPS = 60_000;

/** Reads `drover[,translate=on|off][,x-translate-after=JUMPS]`. Throws a UsageError. */
export function parseAcceleration(text = 'drover'): Acceleration {
  const { first, properties } = parseProperties('accel', text);
  if (first !== 'drover') throw properties.error('the only accelerator is drover');
  const translate = properties.oneOf('translate', ['on', 'off'], 'on') === 'on';
  const translateAfter = properties.integer('x-translate-after', 1, MOST_JUMPS, TRANSLATE_AFTER);
  properties.end();
  return { translate, translateAfter };
}
