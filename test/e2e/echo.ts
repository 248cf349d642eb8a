/** What the guest program echo says of itself. */
export interface EchoLine {
  readonly asked: number;
  readonly answered: number;
  readonly repeated: number;
  readonly silent_ms: number;
  readonly announced: number;
  /** 1 while its frames go by a device of the host. */
  readonly primary: number;
}

const NOTHING_YET: EchoLine = { asked: 0, answered: 0, repeated: 0, silent_ms: 0, announced: 0, primary: 0 };

/** Its last whole line. */
export function lastEchoLine(printed: string): EchoLine {
  const line = printed.match(/^echo time_ms=.*(?=\r\n)/gm)?.at(-1) ?? '';
  const figures = [...line.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name!, Number(value)]);
  return { ...NOTHING_YET, ...(Object.fromEntries(figures) as Partial<EchoLine>) };
}

export const answeredIn = (printed: string): number => lastEchoLine(printed).answered;
