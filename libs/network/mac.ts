/** Ethernet addresses (IEEE 802-2014, section 8) as numbers of 48 bits, which are quick to compare and to look up. */
export type Mac = number;

/** Reads `52:54:00:12:34:56`. Throws an Error that says what is wrong. */
export function parseMac(text: string): Mac {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text))
    throw new Error(`${text} is no MAC address: give six bytes such as 52:54:00:12:34:56`);
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

export const formatMac = (mac: Mac): string =>
  mac
    .toString(16)
    .padStart(12, '0')
    .replaceAll(/..(?!$)/g, '$&:');

/** The address that lies at `offset` in a frame. */
export function macAt(bytes: Uint8Array, offset: number): Mac {
  const high = bytes[offset]! * 0x100 + bytes[offset + 1]!;
  const low = bytes[offset + 2]! * 0x100_0000 + bytes[offset + 3]! * 0x1_0000 + bytes[offset + 4]! * 0x100;
  return high * 2 ** 32 + low + bytes[offset + 5]!;
}

export const macBytes = (mac: Mac): Uint8Array => Uint8Array.from({ length: 6 }, (_, i) => byteOf(mac, 5 - i));

const byteOf = (mac: Mac, place: number): number => Math.floor(mac / 256 ** place) % 256;

/** Broadcast, or multicast: the lowest bit of the first byte. */
export const isGroup = (mac: Mac): boolean => byteOf(mac, 5) % 2 === 1;
