// BestRows: the k best of many, kept in a heap whose root is the worst of them.

export class BestRows {
  readonly scores: Float64Array;
  readonly rows: Uint32Array;
  size = 0;
  /** What a score must reach to get in. */
  floor = -Infinity;
  readonly #k: number;
  readonly #compareIds: (a: number, b: number) => number;

  /** `compareIds` orders rows of equal score: negative if the first comes first. They are kept in `scores` and `rows`, of length k. */
  constructor(
    k: number,
    compareIds: (a: number, b: number) => number,
    scores: Float64Array = new Float64Array(k),
    rows: Uint32Array = new Uint32Array(k),
  ) {
    this.#k = k;
    this.scores = scores;
    this.rows = rows;
    this.#compareIds = compareIds;
  }

  offer(score: number, row: number): void {
    if (this.size < this.#k) {
      let at = this.size++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!this.#worse(score, row, this.scores[parent] as number, this.rows[parent] as number)) break;
        this.#move(parent, at);
        at = parent;
      }
      this.#put(at, score, row);
    } else {
      if (this.#k === 0 || !this.#worse(this.scores[0] as number, this.rows[0] as number, score, row)) return;
      let at = 0;
      for (let child = 1; child < this.size; child = at * 2 + 1) {
        const right = child + 1;
        if (
          right < this.size &&
          this.#worse(
            this.scores[right] as number,
            this.rows[right] as number,
            this.scores[child] as number,
            this.rows[child] as number,
          )
        )
          child = right;
        if (!this.#worse(this.scores[child] as number, this.rows[child] as number, score, row)) break;
        this.#move(child, at);
        at = child;
      }
      this.#put(at, score, row);
    }
    if (this.size === this.#k) this.floor = this.scores[0] as number;
  }

  /** Best first. */
  sorted(): { row: number; score: number }[] {
    return Array.from({ length: this.size }, (_, i) => ({
      row: this.rows[i] as number,
      score: this.scores[i] as number,
    })).sort((a, b) => b.score - a.score || this.#compareIds(a.row, b.row));
  }

  #worse(scoreA: number, rowA: number, scoreB: number, rowB: number): boolean {
    return scoreA < scoreB || (scoreA === scoreB && this.#compareIds(rowA, rowB) > 0);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.scores[from] as number, this.rows[from] as number);
  }

  #put(at: number, score: number, row: number): void {
    this.scores[at] = score;
    this.rows[at] = row;
  }
}
