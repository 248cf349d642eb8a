import { readFileSync } from 'node:fs';

/** The last line of a log that is not part of a stack trace; empty if there is none. */
export function lastLine(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return ''; // it never came to write one
  }
  return text.split('\n').findLast((line) => /^\S/.test(line)) ?? '';
}

/** Its last lines, stack traces left out. */
export function lastLines(file: string, count: number): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => /^\S/.test(line))
      .slice(-count);
  } catch {
    return []; // it never came to write one
  }
}
