/** What a load or a store does when its TLB does not answer: translate, cross a page, ask a device. */
import {
  NO_ADDRESS, PAGE, PAGE_MASK, READ, WRITE, accessFault, cacheRead, cacheWrite, inRam, readableRam, translate,
  writableRam,
} from './mmu.as';
import { diverted, tohost } from './registers.as';

@external('env', 'mmio_read')
declare function mmioRead(pa: u64, size: u32): u64;
@external('env', 'mmio_write')
declare function mmioWrite(pa: u64, size: u32, value: u64): void;

/** Set by the host during mmio_read and mmio_write: no device answers at that address. */
export let nothingThere: i32 = 0;

/** Reads `size` bytes, zero-extended. If it traps, `diverted` is set. */
export function read(va: u64, size: u32): u64 {
  if ((va & (PAGE - 1)) + size > PAGE) return readAcross(va, size);
  const pa = translate(va, READ, size);
  if (pa == NO_ADDRESS) return 0;
  if (!inRam(pa)) return readDevice(va, pa, size);
  const host = cacheRead(va, pa);
  if (size == 1) return load<u8>(host);
  if (size == 2) return load<u16>(host);
  if (size == 4) return load<u32>(host);
  return load<u64>(host);
}

/** Writes the low `size` bytes of `value`. If it traps, `diverted` is set and nothing in RAM was written. */
export function write(va: u64, size: u32, value: u64): void {
  if ((va & (PAGE - 1)) + size > PAGE) {
    writeAcross(va, size, value);
    return;
  }
  const pa = translate(va, WRITE, size);
  if (pa == NO_ADDRESS) return;
  if (!inRam(pa)) {
    writeDevice(va, pa, size, value);
    return;
  }
  const host = cacheWrite(va, pa);
  if (size == 1) store<u8>(host, value as u8);
  else if (size == 2) store<u16>(host, value as u16);
  else if (size == 4) store<u32>(host, value as u32);
  else store<u64>(host, value);
  tellTohost(pa, size);
}

/** To be called after every store that goes to RAM alone: the host is told of one to `tohost`. */
export function tellTohost(pa: u64, size: u32): void {
  if ((pa & ~7) == tohost) mmioWrite(pa, size, 0);
}

/** Both pages are translated before a byte moves, so that the access happens wholly or not at all. */
function readAcross(va: u64, size: u32): u64 {
  const middle = (va & PAGE_MASK) + PAGE;
  const before = (middle - va) as u32;
  const first = translate(va, READ, before);
  if (first == NO_ADDRESS) return 0;
  const second = translate(middle, READ, size - before);
  if (second == NO_ADDRESS) return 0;
  let value: u64 = 0;
  for (let i: u32 = 0; i < size && !diverted; i++) {
    const at = va + i;
    const pa = i < before ? first + i : second + (at - middle);
    const byte = inRam(pa) ? (load<u8>(readableRam(pa)) as u64) : readDevice(at, pa, 1);
    value |= byte << (8 * i);
  }
  return value;
}

function writeAcross(va: u64, size: u32, value: u64): void {
  const middle = (va & PAGE_MASK) + PAGE;
  const before = (middle - va) as u32;
  const first = translate(va, WRITE, before);
  if (first == NO_ADDRESS) return;
  const second = translate(middle, WRITE, size - before);
  if (second == NO_ADDRESS) return;
  for (let i: u32 = 0; i < size && !diverted; i++) {
    const at = va + i;
    const pa = i < before ? first + i : second + (at - middle);
    const byte = (value >> (8 * i)) & 0xff;
    if (inRam(pa)) store<u8>(writableRam(pa), byte as u8);
    else writeDevice(at, pa, 1, byte);
  }
}

/** Devices see aligned accesses only; a misaligned one reaches them byte by byte. */
function readDevice(va: u64, pa: u64, size: u32): u64 {
  const step: u32 = pa & (size - 1) ? 1 : size;
  let value: u64 = 0;
  for (let i: u32 = 0; i < size; i += step) {
    const part = mmioRead(pa + i, step);
    if (nothingThere) return accessFault(va, READ);
    const mask: u64 = step == 8 ? 0xffff_ffff_ffff_ffff : ((1 as u64) << (8 * step)) - 1;
    value |= (part & mask) << (8 * i);
  }
  return value;
}

function writeDevice(va: u64, pa: u64, size: u32, value: u64): void {
  const step: u32 = pa & (size - 1) ? 1 : size;
  for (let i: u32 = 0; i < size; i += step) {
    mmioWrite(pa + i, step, value >> (8 * i));
    if (nothingThere) {
      accessFault(va, WRITE);
      return;
    }
  }
}
