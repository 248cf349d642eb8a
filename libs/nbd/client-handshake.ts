/** The client's side of the fixed newstyle handshake. */
import { NbdConnectionError } from './errors.js';
import {
  BASE_ALLOCATION,
  GREETING_MAGIC,
  HANDSHAKE_FIXED_NEWSTYLE,
  HANDSHAKE_NO_ZEROES,
  INFO,
  MAX_PAYLOAD_BYTES,
  OPTION,
  OPTION_ERROR,
  OPTION_ERROR_BIT,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
  TRANSMISSION,
} from './protocol.js';
import type { NbdLink } from './stream.js';
import { counted, joined, option, text, u16, u32, viewOf } from './wire.js';

const MAX_REPLY_BYTES = 65_536;
const ZEROES_AFTER_EXPORT = 124;

/** What the server has told of the export. */
export interface RemoteDisk {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly canFlush: boolean;
  readonly canFua: boolean;
  readonly canTrim: boolean;
  readonly canWriteZeroes: boolean;
  /** Largest read or write at once. */
  readonly maxPayloadBytes: number;
  /** Offsets and sizes are multiples of it. */
  readonly minimumBlockBytes: number;
  readonly structuredReplies: boolean;
  /** Id of base:allocation, if the server has it. */
  readonly allocationId: number | undefined;
}

/** Chooses the export, with the link encrypted if it shall be. Rejects with an NbdConnectionError that tells what the server said. */
export async function chooseExport(link: NbdLink, name: string): Promise<RemoteDisk> {
  const greeting = viewOf(await link.input.take(18));
  if (greeting.getBigUint64(0) !== GREETING_MAGIC || greeting.getBigUint64(8) !== OPTION_MAGIC) {
    throw new NbdConnectionError('that is no NBD server of the new style');
  }
  const offered = greeting.getUint16(16);
  if ((offered & HANDSHAKE_FIXED_NEWSTYLE) === 0) throw new NbdConnectionError('the NBD server is too old');
  const noZeroes = offered & HANDSHAKE_NO_ZEROES;
  await link.write(u32(HANDSHAKE_FIXED_NEWSTYLE | noZeroes));

  const ask = (number: number, data: Uint8Array) => askOption(link, number, data);
  if (link.isBare) {
    const { error } = await ask(OPTION.startTls, new Uint8Array(0));
    if (error) throw new NbdConnectionError(`the NBD server does not encrypt: ${error.message}`);
    await link.encrypt();
  }
  const structuredReplies = (await ask(OPTION.structuredReply, new Uint8Array(0))).error === undefined;
  let allocationId: number | undefined;
  if (structuredReplies) {
    const query = joined(counted(name), u32(1), counted(BASE_ALLOCATION));
    const { replies, error } = await ask(OPTION.setMetaContext, query);
    const context = replies.find(({ type }) => type === OPTION_REPLY.metaContext);
    if (error === undefined && context) allocationId = viewOf(context.data).getUint32(0);
  }
  const go = await ask(OPTION.go, joined(counted(name), u16(1), u16(INFO.blockSize)));
  if (go.error === undefined) return describe(infosOf(go.replies), structuredReplies, allocationId);
  if (go.error.type !== OPTION_ERROR.unsupported) throw new NbdConnectionError(`the NBD server: ${go.error.message}`);
  return describe(await chooseByName(link, name, noZeroes !== 0), structuredReplies, allocationId);
}

interface OptionReplies {
  readonly replies: readonly { readonly type: number; readonly data: Uint8Array }[];
  readonly error?: { readonly type: number; readonly message: string };
}

/** Sends an option and collects its replies, up to the one that ends them. */
async function askOption(link: NbdLink, number: number, data: Uint8Array): Promise<OptionReplies> {
  await link.write(option(number, data));
  const replies: { type: number; data: Uint8Array }[] = [];
  for (;;) {
    const header = viewOf(await link.input.take(20));
    if (header.getBigUint64(0) !== OPTION_REPLY_MAGIC || header.getUint32(8) !== number) {
      throw new NbdConnectionError(`that is no answer to option ${number}`);
    }
    const type = header.getUint32(12);
    const length = header.getUint32(16);
    if (length > MAX_REPLY_BYTES) throw new NbdConnectionError(`an answer of ${length} bytes to option ${number}`);
    const reply = await link.input.take(length);
    if (type === OPTION_REPLY.ack) return { replies };
    if (type >= OPTION_ERROR_BIT) {
      const message = text(reply) || `option ${number} was refused (${(type - OPTION_ERROR_BIT).toString()})`;
      return { replies, error: { type, message } };
    }
    replies.push({ type, data: reply.slice() });
  }
}

/** NBD_OPT_EXPORT_NAME, for servers that know no NBD_OPT_GO. */
async function chooseByName(link: NbdLink, name: string, noZeroes: boolean): Promise<ReadonlyMap<number, DataView>> {
  await link.write(option(OPTION.exportName, new TextEncoder().encode(name)));
  const told = (await link.input.take(10)).slice();
  if (!noZeroes) await link.input.skip(ZEROES_AFTER_EXPORT);
  return new Map([[INFO.export, viewOf(joined(u16(INFO.export), told))]]);
}

/** By type; each view begins with the type. */
function infosOf(replies: OptionReplies['replies']): ReadonlyMap<number, DataView> {
  const infos = replies.filter(({ type, data }) => type === OPTION_REPLY.info && data.length >= 2);
  return new Map(infos.map(({ data }) => [viewOf(data).getUint16(0), viewOf(data)]));
}

function describe(
  infos: ReadonlyMap<number, DataView>,
  structuredReplies: boolean,
  allocationId: number | undefined,
): RemoteDisk {
  const told = infos.get(INFO.export);
  if (told?.byteLength !== 12) throw new NbdConnectionError('the NBD server does not tell the size of the export');
  const flags = told.getUint16(10);
  const has = (flag: number) => (flags & flag) !== 0;
  const blocks = infos.get(INFO.blockSize);
  const isComplete = blocks?.byteLength === 14;
  return {
    sizeBytes: Number(told.getBigUint64(2)),
    isReadOnly: has(TRANSMISSION.readOnly),
    canFlush: has(TRANSMISSION.sendFlush),
    canFua: has(TRANSMISSION.sendFua),
    canTrim: has(TRANSMISSION.sendTrim),
    canWriteZeroes: has(TRANSMISSION.sendWriteZeroes),
    minimumBlockBytes: isComplete ? blocks.getUint32(2) : 1,
    maxPayloadBytes: isComplete ? Math.min(blocks.getUint32(10), MAX_PAYLOAD_BYTES) : MAX_PAYLOAD_BYTES,
    structuredReplies,
    allocationId,
  };
}
