/** Says on standard error what is being done: on a terminal one line that changes, elsewhere a line for each step. */
export class Progress {
  private step = '';
  private portion: number | undefined;

  constructor(private readonly out: NodeJS.WriteStream = process.stderr) {}

  /** Begins a step. */
  begin(step: string): void {
    this.step = step;
    this.portion = undefined;
    if (this.out.isTTY) this.draw();
    else this.out.write(`${step} ...\n`);
  }

  /** How much of it is done, 0 to 1. */
  set(portion: number): void {
    this.portion = portion;
    if (this.out.isTTY) this.draw();
  }

  /** Takes the line away: what follows is the result. */
  end(): void {
    if (this.out.isTTY) this.out.write('\r\x1b[K');
  }

  private draw(): void {
    const percent = this.portion === undefined ? '' : ` ${Math.floor(this.portion * 100)} %`;
    this.out.write(`\r\x1b[K${this.step} ...${percent}`);
  }
}
