// Scratch memory of large intermediates, lent again and again: fresh memory of that size makes the garbage collector run for every image.

/** Buffers that wait to be lent: as many as one image needs at a time, of at most as many bytes. */
const MOST_SPARE = 4;
const MOST_BYTES = 64 * 2 ** 20;
const spare: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/** Memory of at least `bytes` bytes, whatever is in it. It is the borrower's own: to give it back is a courtesy. */
export function borrow(bytes: number): ArrayBuffer {
  const [closest = new ArrayBuffer(bytes)] = spare
    .filter(({ byteLength }) => byteLength >= bytes && byteLength <= 2 * bytes)
    .sort((a, b) => a.byteLength - b.byteLength);
  if (spare.includes(closest)) spare.splice(spare.indexOf(closest), 1);
  lent.add(closest);
  return closest;
}

/** Takes the memory of an array that nobody reads any more: the next borrower writes over it. Memory that was not borrowed is left alone. */
export function giveBack({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (!(buffer instanceof ArrayBuffer) || !lent.delete(buffer) || buffer.byteLength > MOST_BYTES) return;
  spare.unshift(buffer);
  spare.splice(MOST_SPARE);
}
