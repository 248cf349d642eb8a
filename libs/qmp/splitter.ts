/**
 * Cuts a stream of characters into JSON values, however they were split into packets or joined. What is not the
 * beginning of an object or array is handed out as garbage, up to the next object, array or line.
 */
export type Piece = { readonly json: unknown } | { readonly garbage: string };

/** A client that sends more than this without closing its braces is not speaking the protocol. */
const MAX_VALUE_LENGTH = 1024 * 1024;

export class JsonSplitter {
  private buffer = '';
  private depth = 0;
  private inString = false;
  private escaped = false;

  /** Takes characters and returns what they complete. Throws a RangeError on a value without end; start anew then. */
  push(chunk: string): Piece[] {
    const pieces: Piece[] = [];
    for (const character of chunk) {
      const piece = this.take(character);
      if (piece) pieces.push(piece);
      if (this.buffer.length > MAX_VALUE_LENGTH) throw new RangeError('a JSON value longer than 1 MiB');
    }
    return pieces;
  }

  private take(character: string): Piece | undefined {
    if (this.depth === 0) return this.between(character);
    this.buffer += character;
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (character === '\\') this.escaped = true;
      else if (character === '"') this.inString = false;
    } else if (character === '"') this.inString = true;
    else if (character === '{' || character === '[') this.depth++;
    else if (character === '}' || character === ']') this.depth--;
    return this.depth === 0 ? this.complete() : undefined;
  }

  /** Outside a value: white space separates, an opening brace begins, anything else is garbage. */
  private between(character: string): Piece | undefined {
    const opens = character === '{' || character === '[';
    const ends = opens || character === '\n';
    const garbage = ends ? this.takeBuffer().trim() : '';
    if (opens) this.depth = 1;
    if (!ends || opens) this.buffer += this.buffer === '' && /\s/.test(character) ? '' : character;
    return garbage ? { garbage } : undefined;
  }

  private complete(): Piece {
    const text = this.takeBuffer();
    try {
      return { json: JSON.parse(text) as unknown };
    } catch {
      return { garbage: text };
    }
  }

  private takeBuffer(): string {
    const text = this.buffer;
    this.buffer = '';
    return text;
  }
}
