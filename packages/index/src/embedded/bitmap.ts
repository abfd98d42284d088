// Sets of rows as bits: 32 rows a word, so that conditions combine a word at a time.

/** 32 rows, all of them in the set. */
const FULL = 0xffffffff;

export class Bitmap {
  words: Uint32Array<ArrayBuffer>;

  /** Room for `rows` rows, none of them in the set. */
  constructor(rows: number) {
    this.words = new Uint32Array((rows + 31) >>> 5);
  }

  grow(rows: number): void {
    const words = (rows + 31) >>> 5;
    if (words <= this.words.length) return;
    const grown = new Uint32Array(words);
    grown.set(this.words);
    this.words = grown;
  }

  has(row: number): boolean {
    return ((this.words[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
  }

  add(row: number): void {
    const word = row >>> 5;
    this.words[word] = (this.words[word] ?? 0) | (1 << (row & 31));
  }

  delete(row: number): void {
    const word = row >>> 5;
    this.words[word] = (this.words[word] ?? 0) & ~(1 << (row & 31));
  }

  or(other: Bitmap): this {
    const { words } = this;
    const theirs = other.words;
    const length = Math.min(words.length, theirs.length);
    for (let i = 0; i < length; i++) words[i] = (words[i] as number) | (theirs[i] as number);
    return this;
  }

  and(other: Bitmap): this {
    const { words } = this;
    const theirs = other.words;
    const length = Math.min(words.length, theirs.length);
    for (let i = 0; i < length; i++) words[i] = (words[i] as number) & (theirs[i] as number);
    words.fill(0, length);
    return this;
  }

  /** The complement, beyond the last row too: intersect it with something afterwards. */
  not(): this {
    const { words } = this;
    for (let i = 0; i < words.length; i++) words[i] = ~(words[i] as number);
    return this;
  }

  count(): number {
    let count = 0;
    for (const word of this.words) if (word !== 0) count += bits(word);
    return count;
  }

  /** How many rows are in both. */
  countWith(other: Bitmap): number {
    let count = 0;
    const length = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < length; i++) {
      const word = (this.words[i] as number) & (other.words[i] as number);
      if (word !== 0) count += bits(word);
    }
    return count;
  }

  /** Every row of the set, ascending. The row that is being visited may be deleted. */
  forEach(visit: (row: number) => void): void {
    const { words } = this;
    for (let i = 0; i < words.length; i++) {
      const first = i << 5;
      let word = words[i] as number;
      if (word === FULL) {
        for (let row = first; row < first + 32; row++) visit(row);
        continue;
      }
      while (word !== 0) {
        visit(first + (31 - Math.clz32(word & -word)));
        word &= word - 1;
      }
    }
  }

  toArray(): number[] {
    const rows: number[] = [];
    this.forEach((row) => {
      rows.push(row);
    });
    return rows;
  }
}

function bits(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
