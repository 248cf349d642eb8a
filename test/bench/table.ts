/** How figures look in docs/benchmarks.md. */

/** One table, with what a reader must know about it. */
export interface Section {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** The middle one of the values, or the mean of the two in the middle. Throws if there are none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of no values');
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)]!;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]!;
  return (lower + upper) / 2;
}

/** First and third quartile: the medians of the values up to the median's place, and from there. Throws if there are none. */
export function quartiles(values: readonly number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.ceil(sorted.length / 2);
  return [median(sorted.slice(0, half)), median(sorted.slice(-half))];
}

/** Three significant digits, and all digits of what is 100 or more; thousands are set apart. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is not a figure`);
  if (Math.abs(value) >= 99.95) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** Ours over theirs; what cannot be divided by is a dash. */
export function formatRatio(ours: number, theirs: number): string {
  return theirs === 0 ? '–' : `${formatFigure(ours / theirs)}×`;
}

/** A Markdown table whose columns line up, as prettier would write it. Throws if a row is not as wide as the head. */
export function renderTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  for (const row of rows) {
    if (row.length !== columns.length) throw new RangeError(`a row of ${row.length} in ${columns.length} columns`);
  }
  const escaped = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)));
  const widths = columns.map((_, column) => Math.max(3, ...escaped.map((row) => [...row[column]!].length)));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const [head, ...body] = escaped.map((row) => line(row.map((cell, column) => pad(cell, widths[column]!))));
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}

/** The table with where it was measured above and the notes below. */
export function renderSection(measuredOn: string, { columns, rows, notes }: Section): string {
  const parts = [measuredOn, renderTable(columns, rows), notes.map((note) => `- ${note}`).join('\n')];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** The document with the text between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` replaced. Throws without these. */
export function replaceSection(document: string, name: string, text: string): string {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`the document has no place for ${name}: add the lines ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`;
}

/** Spaces up to a width in characters. */
function pad(cell: string, width: number): string {
  return cell + ' '.repeat(width - [...cell].length);
}
