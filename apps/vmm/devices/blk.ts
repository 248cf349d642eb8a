/** `-device virtio-blk-device`: a disk. */
import { VirtioBlk } from '#vmm';
import type { Drive, Drives } from './drives.js';
import type { Plugged } from './plugged.js';
import type { Properties } from './properties.js';

const MAX_QUEUES = 16;
const MAX_SERIAL_BYTES = 20;
const BLOCK_SIZES = ['512', '1024', '2048', '4096'] as const;

export function plugBlk(properties: Properties, { drives }: { readonly drives: Drives }): Plugged {
  const { disk, writeCache } = takeDrive(properties, drives);
  const serial = properties.optional('serial') ?? '';
  if (!/^[\x20-\x7e]*$/.test(serial) || serial.length > MAX_SERIAL_BYTES) {
    throw properties.error(`serial=${serial}: give at most ${MAX_SERIAL_BYTES} characters of ASCII`);
  }
  const queues = properties.integer('num-queues', 1, MAX_QUEUES, 1);
  const logicalBlockSize = Number(properties.oneOf('logical_block_size', BLOCK_SIZES, '512'));
  const physicalBlockSize = Number(
    properties.oneOf('physical_block_size', BLOCK_SIZES, `${logicalBlockSize}` as '512'),
  );
  if (physicalBlockSize < logicalBlockSize)
    throw properties.error('physical_block_size is less than logical_block_size');
  if (disk.sizeBytes % logicalBlockSize !== 0) {
    throw properties.error(`logical_block_size=${logicalBlockSize}: the file has ${disk.sizeBytes} bytes`);
  }
  return { device: new VirtioBlk(disk, { serial, queues, logicalBlockSize, physicalBlockSize, writeCache }) };
}

function takeDrive(properties: Properties, drives: Drives): Drive {
  const id = properties.required('drive');
  try {
    return drives.take(id);
  } catch (error) {
    throw properties.error((error as Error).message);
  }
}
