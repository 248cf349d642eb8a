/** A growing sequence of bytes with the integer encodings of WebAssembly's binary format (LEB128). */
export class Bytes {
  private buffer = new Uint8Array(256);
  private used = 0;

  get length(): number {
    return this.used;
  }

  /** What has been written; valid until the next write. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.used);
  }

  u8(value: number): this {
    if (this.used === this.buffer.length) this.grow(this.used + 1);
    this.buffer[this.used++] = value;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.grow(this.used + bytes.length);
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
    return this;
  }

  /** An unsigned number of up to 32 bits. */
  u32(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  /** A signed number of up to 32 bits. */
  s32(value: number): this {
    let rest = value | 0;
    while (rest < -0x40 || rest >= 0x40) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    return this.u8(rest & 0x7f);
  }

  /** A signed number of up to 64 bits. */
  s64(value: bigint): this {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest >= 0x40n) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.u8(Number(rest & 0x7fn));
  }

  /** A length in bytes, then the bytes. */
  sized(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  name(text: string): this {
    return this.sized(new TextEncoder().encode(text));
  }

  private grow(needed: number): void {
    if (needed <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    larger.set(this.view());
    this.buffer = larger;
  }
}
