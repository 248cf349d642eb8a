/** Tables for people: columns as wide as their widest cell, numbers to the right. */
type Cell = string | number | boolean | null | undefined;

/** Text as it is, but for control characters: names, reasons and a guest's console must not drive the terminal. */
// oxlint-disable-next-line no-control-regex
export const plain = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');

const textOf = (cell: Cell): string => (cell === null || cell === undefined || cell === '' ? '-' : plain(String(cell)));

/** Lines of a table with a heading; a cell that is empty shows as a dash. */
export function table(heading: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumber = heading.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  const lines = [heading, ...rows.map((row) => row.map(textOf))];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const lineOf = (line: readonly string[]) =>
    line
      .map((text, column) => (isNumber[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return lines.map(lineOf).join('\n');
}

/** One object: a line for each field. */
export function record(fields: Readonly<Record<string, Cell>>): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return Object.entries(fields)
    .map(([name, cell]) => `${name.padEnd(width)}  ${textOf(cell)}`)
    .join('\n');
}

export const percent = (used: number | null, of: number | null): string =>
  used === null || !of ? '-' : `${Math.round((100 * used) / of)} %`;

export const mib = (bytes: number | null | undefined): string =>
  bytes === null || bytes === undefined ? '-' : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(value < 10 ? 1 : 0)} ms`);

export const mibps = (value: number | null): string => (value === null ? 'unknown' : `${value.toFixed(1)} MiB/s`);

/** How long ago, roughly: 12 s, 5 min, 3 h, 2 d. */
export function ago(timestamp: string | null, nowMs: number): string {
  if (timestamp === null) return '-';
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(timestamp)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
