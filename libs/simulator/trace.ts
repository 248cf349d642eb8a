/** How much a VM uses over time, and the files that tell it. */

/** Percent at the steps 0, 1, 2, …; in between, along a straight line; after the last step it stays. */
export interface Trace {
  readonly stepSeconds: number;
  readonly percent: Float32Array;
}

export const constantTrace = (percent: number): Trace => ({ stepSeconds: 1, percent: Float32Array.of(percent) });

export function percentAt({ stepSeconds, percent }: Trace, seconds: number): number {
  const position = seconds / stepSeconds;
  const last = percent.length - 1;
  if (position >= last) return percent[last]!;
  const below = Math.floor(position);
  const low = percent[below]!;
  return low + (percent[below + 1]! - low) * (position - below);
}

/**
 * One trace for each column, in the order of the columns; the first line has their names.
 * @throws RangeError that names line and column of what is not a percentage.
 */
export function parseCsvTraces(text: string, stepSeconds: number): Map<string, Trace> {
  const [head = '', ...rows] = text.trim().split(/\r?\n/);
  const names = head.split(',').map((name) => name.trim());
  if (rows.length === 0) throw new RangeError('line 2: no row of percentages follows the line with the names');
  const columns = names.map(() => new Float32Array(rows.length));
  for (const [step, row] of rows.entries()) {
    const cells = row.split(',');
    if (cells.length !== names.length)
      throw new RangeError(`line ${step + 2}: ${cells.length} values for ${names.length} names`);
    for (const [column, cell] of cells.entries())
      columns[column]![step] = percentage(cell, () => `line ${step + 2}, column ${names[column]}`);
  }
  return new Map(names.map((name, column) => [name, { stepSeconds, percent: columns[column]! }]));
}

/** A file of the PlanetLab traces: one percentage a line, for one VM. @throws RangeError that names the line. */
export function parsePlanetLabTrace(text: string, stepSeconds: number): Trace {
  const lines = text.trim().split(/\s+/);
  return {
    stepSeconds,
    percent: Float32Array.from(lines, (line, index) => percentage(line, () => `line ${index + 1}`)),
  };
}

function percentage(text: string, where: () => string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 100)) throw new RangeError(`${where()}: "${text}" is not a percentage from 0 to 100`);
  return value;
}
