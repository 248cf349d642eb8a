/** The server's side of the fixed newstyle handshake: options until a client has chosen an export. */
import { NbdConnectionError } from './errors.js';
import type { NbdExport, NbdExports } from './export.js';
import {
  BASE_ALLOCATION,
  GREETING_MAGIC,
  HANDSHAKE_FIXED_NEWSTYLE,
  HANDSHAKE_NO_ZEROES,
  INFO,
  MAX_PAYLOAD_BYTES,
  MAX_STRING_BYTES,
  OPTION,
  OPTION_ERROR,
  OPTION_MAGIC,
  OPTION_REPLY,
  TRANSMISSION,
} from './protocol.js';
import type { NbdLink } from './stream.js';
import { counted, joined, optionReply, text, u16, u32, u64, utf8, viewOf } from './wire.js';

/** A client that asks for more than this before it has chosen is sent away. */
const MAX_OPTIONS = 64;
const MAX_OPTION_BYTES = 4 * MAX_STRING_BYTES;
/** Any byte may be asked for; whole pieces of this size are best. */
const MINIMUM_BLOCK_BYTES = 1;
const PREFERRED_BLOCK_BYTES = 65_536;
const ZEROES_AFTER_EXPORT = 124;
const CONTEXT_ID = 1;

/** What both sides have agreed on. */
export interface Agreement {
  readonly export: NbdExport;
  readonly structuredReplies: boolean;
  /** Id of base:allocation, if the client has asked for it. */
  readonly allocationId: number | undefined;
}

/** Undefined if the client leaves without choosing. Rejects with an NbdConnectionError if it does not speak NBD. */
export async function negotiate(link: NbdLink, exports: NbdExports): Promise<Agreement | undefined> {
  const offered = HANDSHAKE_FIXED_NEWSTYLE | HANDSHAKE_NO_ZEROES;
  await link.write(u64(GREETING_MAGIC), u64(OPTION_MAGIC), u16(offered));
  const taken = viewOf(await link.input.take(4)).getUint32(0);
  if ((taken & ~offered) !== 0 || (taken & HANDSHAKE_FIXED_NEWSTYLE) === 0) {
    throw new NbdConnectionError(`client flags ${taken}: fixed newstyle is spoken here`);
  }
  return await new Options(link, exports, (taken & HANDSHAKE_NO_ZEROES) !== 0).settle();
}

/** What the reading of a malformed option ends with. */
class Malformed extends Error {}

class Options {
  private structuredReplies = false;
  /** The export that base:allocation was asked for. */
  private allocationOf: string | undefined;

  constructor(
    private readonly link: NbdLink,
    private readonly exports: NbdExports,
    private readonly noZeroes: boolean,
  ) {}

  async settle(): Promise<Agreement | undefined> {
    for (let options = 0; options < MAX_OPTIONS; options++) {
      const header = viewOf(await this.link.input.take(16));
      if (header.getBigUint64(0) !== OPTION_MAGIC) throw new NbdConnectionError('that is no NBD option');
      const number = header.getUint32(8);
      const length = header.getUint32(12);
      if (number === OPTION.exportName) {
        if (this.link.isBare) throw new NbdConnectionError('a client that does not encrypt');
        return await this.chooseByName(length);
      }
      if (length > MAX_OPTION_BYTES) {
        await this.link.input.skip(length);
        await this.refuse(number, OPTION_ERROR.tooBig, `an option has at most ${MAX_OPTION_BYTES} bytes here`);
        continue;
      }
      const data = await this.link.input.take(length);
      if (number === OPTION.abort) {
        await this.reply(number, OPTION_REPLY.ack);
        return undefined;
      }
      const chosen = await this.answer(number, data).catch(async (error: unknown) => {
        if (!(error instanceof Malformed)) throw error;
        await this.refuse(number, OPTION_ERROR.invalid, error.message);
      });
      if (chosen) return this.agreement(chosen);
    }
    throw new NbdConnectionError(`more than ${MAX_OPTIONS} options`);
  }

  /** The export, if that was the choice of one. */
  private async answer(number: number, data: Uint8Array): Promise<NbdExport | undefined> {
    if (this.link.isBare && number !== OPTION.startTls) {
      await this.refuse(number, OPTION_ERROR.tlsRequired, 'this server wants TLS first');
      return undefined;
    }
    switch (number) {
      case OPTION.startTls:
        await this.startTls(data);
        return undefined;
      case OPTION.list:
        await this.list(data);
        return undefined;
      case OPTION.structuredReply:
        if (data.length > 0) throw new Malformed('this option has no data');
        this.structuredReplies = true;
        await this.reply(number, OPTION_REPLY.ack);
        return undefined;
      case OPTION.info:
      case OPTION.go: {
        const found = await this.inform(number, data);
        return number === OPTION.go ? found : undefined;
      }
      case OPTION.listMetaContext:
      case OPTION.setMetaContext:
        await this.metaContext(number, data);
        return undefined;
      default:
        await this.refuse(number, OPTION_ERROR.unsupported, `option ${number} is not known here`);
        return undefined;
    }
  }

  /** Nothing that was agreed on in the clear holds afterwards. */
  private async startTls(data: Uint8Array): Promise<void> {
    if (data.length > 0) throw new Malformed('this option has no data');
    if (!this.link.isBare) {
      return await this.refuse(OPTION.startTls, OPTION_ERROR.policy, 'TLS is not to be had here, or is spoken already');
    }
    await this.reply(OPTION.startTls, OPTION_REPLY.ack);
    await this.link.encrypt();
  }

  private async list(data: Uint8Array): Promise<void> {
    if (data.length > 0) throw new Malformed('this option has no data');
    for (const { name, description = '', isListed } of this.exports.list()) {
      if (isListed) await this.reply(OPTION.list, OPTION_REPLY.server, joined(counted(name), utf8(description)));
    }
    await this.reply(OPTION.list, OPTION_REPLY.ack);
  }

  private async inform(number: number, data: Uint8Array): Promise<NbdExport | undefined> {
    const fields = new Fields(data);
    const name = fields.string();
    const wanted = Array.from({ length: fields.u16() }, () => fields.u16());
    fields.end();
    const found = this.exports.find(name);
    if (!found) {
      await this.refuse(number, OPTION_ERROR.unknown, 'there is no such export');
      return undefined;
    }
    const info = (type: number, ...parts: Uint8Array[]) =>
      this.reply(number, OPTION_REPLY.info, joined(u16(type), ...parts));
    await info(INFO.export, u64(BigInt(found.sizeBytes)), u16(this.flags(found)));
    await info(INFO.blockSize, u32(MINIMUM_BLOCK_BYTES), u32(PREFERRED_BLOCK_BYTES), u32(MAX_PAYLOAD_BYTES));
    if (wanted.includes(INFO.name)) await info(INFO.name, utf8(found.name));
    if (wanted.includes(INFO.description) && found.description !== undefined) {
      await info(INFO.description, utf8(found.description));
    }
    await this.reply(number, OPTION_REPLY.ack);
    return found;
  }

  /** base:allocation is the only context; a query of "base:" asks which there are (LIST alone). */
  private async metaContext(number: number, data: Uint8Array): Promise<void> {
    const sets = number === OPTION.setMetaContext;
    if (!this.structuredReplies) throw new Malformed('ask for structured replies first');
    const fields = new Fields(data);
    const name = fields.string();
    const count = fields.u32();
    const queries: string[] = [];
    for (let query = 0; query < count; query++) queries.push(fields.string());
    fields.end();
    if (sets) this.allocationOf = undefined;
    if (!this.exports.find(name)) return await this.refuse(number, OPTION_ERROR.unknown, 'there is no such export');
    const isWanted = queries.includes(BASE_ALLOCATION) || (!sets && (count === 0 || queries.includes('base:')));
    if (isWanted) {
      const id = sets ? CONTEXT_ID : 0;
      await this.reply(number, OPTION_REPLY.metaContext, joined(u32(id), utf8(BASE_ALLOCATION)));
    }
    if (sets && isWanted) this.allocationOf = name;
    await this.reply(number, OPTION_REPLY.ack);
  }

  /** NBD_OPT_EXPORT_NAME, which cannot be refused but by leaving. */
  private async chooseByName(length: number): Promise<Agreement> {
    if (length > MAX_STRING_BYTES) throw new NbdConnectionError('the name of an export is too long');
    const found = this.exports.find(text(await this.link.input.take(length)));
    if (!found) throw new NbdConnectionError('there is no such export');
    const zeroes = new Uint8Array(this.noZeroes ? 0 : ZEROES_AFTER_EXPORT);
    await this.link.write(u64(BigInt(found.sizeBytes)), u16(this.flags(found)), zeroes);
    return this.agreement(found);
  }

  private agreement(found: NbdExport): Agreement {
    const { structuredReplies, allocationOf } = this;
    return { export: found, structuredReplies, allocationId: allocationOf === found.name ? CONTEXT_ID : undefined };
  }

  private flags({ isReadOnly }: NbdExport): number {
    const { hasFlags, readOnly, sendFlush, sendFua, sendTrim, sendWriteZeroes, sendDf, canMultiConn } = TRANSMISSION;
    const writing = isReadOnly ? readOnly : sendFua | sendTrim | sendWriteZeroes;
    return hasFlags | sendFlush | canMultiConn | writing | (this.structuredReplies ? sendDf : 0);
  }

  private refuse(number: number, error: number, message: string): Promise<void> {
    return this.reply(number, error, utf8(message));
  }

  private reply(number: number, type: number, data: Uint8Array = new Uint8Array(0)): Promise<void> {
    return this.link.write(optionReply(number, type, data));
  }
}

/** Reads an option's data; throws Malformed where it ends too early or too late. */
class Fields {
  private at = 0;

  constructor(private readonly data: Uint8Array) {}

  u16(): number {
    return viewOf(this.bytes(2)).getUint16(0);
  }

  u32(): number {
    return viewOf(this.bytes(4)).getUint32(0);
  }

  string(): string {
    const length = this.u32();
    if (length > MAX_STRING_BYTES) throw new Malformed(`a string has at most ${MAX_STRING_BYTES} bytes`);
    return text(this.bytes(length));
  }

  end(): void {
    if (this.at !== this.data.length) throw new Malformed('the option is longer than what is in it');
  }

  private bytes(size: number): Uint8Array {
    if (this.at + size > this.data.length) throw new Malformed('the option is shorter than what is in it');
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }
}
