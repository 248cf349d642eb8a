/** Which status may follow which. */
export type Transitions<S extends string> = Readonly<Record<S, readonly S[]>>;

export class IllegalTransition extends Error {
  constructor(
    readonly subject: string,
    readonly from: string,
    readonly to: string,
  ) {
    super(`${subject} cannot go from ${from} to ${to}`);
    this.name = 'IllegalTransition';
  }
}

/** True if `to` may follow `from`; staying is always allowed. */
export const allows = <S extends string>(table: Transitions<S>, from: S, to: S): boolean =>
  from === to || table[from].includes(to);

/** `to`, or throws IllegalTransition. `subject` names the thing for the message, such as `VM web-1`. */
export function transition<S extends string>(table: Transitions<S>, subject: string, from: S, to: S): S {
  if (!allows(table, from, to)) throw new IllegalTransition(subject, from, to);
  return to;
}
