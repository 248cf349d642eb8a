/** What came of each cell, a line each, at the end of `npm run test:faults`. */
const lines: string[] = [];

export function noteEnding(cell: string, ending: string): void {
  lines.push(`${cell}: ${ending}`);
}

/** Prints what was noted in this file of tests, and `more`. */
export function report(what: string, more: readonly string[] = []): void {
  console.log([`${what}: ${lines.length} cells`, ...lines, ...more].join('\n  '));
}
