/** A client of a gdbstub: as much of GDB's remote serial protocol as reading and writing registers takes. */
import { connect, type Socket } from 'node:net';

/** Bytes of a target description asked for at once. */
const PIECE_BYTES = 0x800;

export class GdbRemote {
  private received = '';
  private onReceived: () => void = () => undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly timeoutMs: number,
  ) {
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      this.received += String(text);
      this.onReceived();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.onReceived());
  }

  /** Rejects with an Error if nobody listens at that Unix socket. `timeoutMs`: for each answer. */
  static async connect(path: string, timeoutMs: number): Promise<GdbRemote> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new GdbRemote(socket, timeoutMs);
  }

  /** The text of a target description, such as target.xml. */
  async description(file: string): Promise<string> {
    for (let text = ''; ;) {
      const piece = await this.ask(`qXfer:features:read:${file}:${hex(text.length)},${hex(PIECE_BYTES)}`);
      if (!/^[lm]/.test(piece)) throw new Error(`gdbstub: there is no description ${file}`);
      text += piece.slice(1);
      if (piece.startsWith('l')) return text;
    }
  }

  /** Chooses the vCPU, counted from 0, of which registers are read and written. */
  async chooseVcpu(index: number): Promise<void> {
    await this.order(`Hgp1.${hex(index + 1)}`);
  }

  /** A register's content as hexadecimal digits in the target's byte order. */
  async register(number: number): Promise<string> {
    const answer = await this.ask(`p${hex(number)}`);
    if (!/^([0-9a-f]{2})+$/.test(answer)) throw new Error(`gdbstub: register ${number} cannot be read (${answer})`);
    return answer;
  }

  async setRegister(number: number, content: string): Promise<void> {
    await this.order(`P${hex(number)}=${content}`);
  }

  /** The target stays stopped. */
  close(): void {
    this.socket.destroy();
  }

  private async order(packet: string): Promise<void> {
    const answer = await this.ask(packet);
    if (answer !== 'OK') throw new Error(`gdbstub: ${packet} was answered by ${answer || 'nothing'}`);
  }

  private async ask(packet: string): Promise<string> {
    const sum = Buffer.from(packet, 'latin1').reduce((total, byte) => (total + byte) & 0xff, 0);
    this.socket.write(`$${packet}#${hex(sum).padStart(2, '0')}`, 'latin1');
    for (const deadline = performance.now() + this.timeoutMs; ;) {
      const [whole, content] = /\$([^#]*)#[0-9a-f]{2}/.exec(this.received) ?? [];
      if (whole !== undefined) {
        this.received = this.received.slice(this.received.indexOf(whole) + whole.length);
        this.socket.write('+');
        return content!;
      }
      await this.more(deadline);
    }
  }

  private async more(deadline: number): Promise<void> {
    const isInTime = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()));
      this.onReceived = () => {
        clearTimeout(timer);
        resolve(true);
      };
      if (this.socket.destroyed) this.onReceived();
    });
    if (!isInTime || this.socket.destroyed)
      throw new Error(isInTime ? 'gdbstub: the connection is lost' : 'gdbstub: no answer');
  }
}

const hex = (number: number) => number.toString(16);
