/** Line charts as SVG, with nothing but text. */

export interface Line {
  readonly name: string;
  /** At even distances over the whole width. */
  readonly values: readonly number[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  readonly hours: number;
}

const WIDTH = 900;
const HEIGHT = 220;
const MARGIN = { top: 14, right: 14, bottom: 28, left: 64 };
const COLOURS = ['#0066cc', '#c9190b', '#3e8635'];
const TICKS = 4;

export function chartSvg({ title, unit, lines, hours }: Chart): string {
  const top = niceCeiling(lines.reduce((most, { values }) => values.reduce((a, b) => Math.max(a, b), most), 0));
  const x = (share: number) => MARGIN.left + share * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => (top * index) / TICKS);
  const times = Array.from({ length: 9 }, (_, index) => index / 8);
  const parts = [
    ...ticks.map(
      (tick) =>
        `<line x1="${x(0)}" x2="${x(1)}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" stroke="#d2d2d2"/>` +
        `<text x="${x(0) - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${shortNumber(tick)}</text>`,
    ),
    ...times.map(
      (share) =>
        `<text x="${x(share).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="middle">${shortNumber(share * hours)} h</text>`,
    ),
    ...lines.map(({ values }, index) => {
      const last = Math.max(1, values.length - 1);
      const points = values.map((value, step) => `${x(step / last).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
      return `<polyline fill="none" stroke="${COLOURS[index % COLOURS.length]}" stroke-width="1.5" points="${points}"/>`;
    }),
  ];
  const legend = lines
    .map(({ name }, index) => `<span style="color:${COLOURS[index % COLOURS.length]}">■</span> ${escapeHtml(name)}`)
    .join(' &nbsp; ');
  return (
    `<figure><figcaption><b>${escapeHtml(title)}</b>, ${escapeHtml(unit)} &nbsp; ${legend}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg></figure>`
  );
}

/** 1, 2 or 5 times a power of ten, not less than the value. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-9))!;
}

const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
