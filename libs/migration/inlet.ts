/** Where a connection puts the bytes that come: in order, into the places that it is told one after the other. */
export interface Inlet {
  /** Where the next bytes belong; at least one byte. Asked for anew after each `filled`. */
  room(): Uint8Array;
  /** So many bytes have been put there. */
  filled(bytes: number): void;
}

/** For channels that get bytes in memory of their own: puts all of a chunk where it belongs. */
export function pour(chunk: Uint8Array, inlet: Inlet): void {
  for (let rest = chunk; rest.length > 0;) {
    const room = inlet.room();
    const part = rest.subarray(0, room.length);
    room.set(part);
    inlet.filled(part.length);
    rest = rest.subarray(part.length);
  }
}
