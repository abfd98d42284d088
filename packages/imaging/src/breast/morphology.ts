// Binary morphology on small masks: square structuring elements by running sums, components, holes.

/** 1 inside, 0 outside, row-major. */
export interface Mask {
  inside: Uint8Array;
  rows: number;
  columns: number;
}

/** Pixels within `radius` (square) of the mask. */
export function dilate(mask: Mask, radius: number): Mask {
  return threshold(boxSums(mask, radius), (sum) => sum > 0);
}

/** Pixels whose square neighbourhood lies in the mask; what is beyond the image counts as inside. */
export function erode({ inside, rows, columns }: Mask, radius: number): Mask {
  const outside = { inside: inside.map((value) => 1 - value), rows, columns };
  return threshold(boxSums(outside, radius), (sum) => sum === 0);
}

/** Grows `seed` by `steps` pixels (up, down, left, right) without leaving `within`; the seed itself is kept. */
export function growWithin(seed: Mask, within: Mask, steps: number): Mask {
  const { rows, columns } = seed;
  const inside = seed.inside.slice();
  let front: number[] = [];
  for (let at = 0; at < inside.length; at++) if (inside[at]) front.push(at);
  for (let step = 0; step < steps; step++) {
    const next: number[] = [];
    const take = (at: number) => {
      if (inside[at] || !within.inside[at]) return;
      inside[at] = 1;
      next.push(at);
    };
    for (const at of front) {
      const x = at % columns;
      if (x > 0) take(at - 1);
      if (x < columns - 1) take(at + 1);
      if (at >= columns) take(at - columns);
      if (at < (rows - 1) * columns) take(at + columns);
    }
    front = next;
  }
  return { inside, rows, columns };
}

/** The 4-connected components, largest first, as lists of pixel indices. */
export function components({ inside, rows, columns }: Mask): Int32Array[] {
  const left = inside.slice();
  /** Every pixel once; the members of a component lie side by side, and those ahead of `next` wait for their turn. */
  const order = new Int32Array(inside.length);
  const found: Int32Array[] = [];
  let end = 0;
  for (let start = 0; start < inside.length; start++) {
    if (left[start] === 0) continue;
    const begin = end;
    left[start] = 0;
    order[end++] = start;
    for (let next = begin; next < end; next++) {
      const at = order[next] as number;
      const x = at % columns;
      if (x > 0 && left[at - 1]) {
        left[at - 1] = 0;
        order[end++] = at - 1;
      }
      if (x < columns - 1 && left[at + 1]) {
        left[at + 1] = 0;
        order[end++] = at + 1;
      }
      if (at >= columns && left[at - columns]) {
        left[at - columns] = 0;
        order[end++] = at - columns;
      }
      if (at < (rows - 1) * columns && left[at + columns]) {
        left[at + columns] = 0;
        order[end++] = at + columns;
      }
    }
    found.push(order.subarray(begin, end));
  }
  return found.sort((a, b) => b.length - a.length);
}

/** The mask with everything filled that the outside, seen from the image's border, cannot reach. */
export function fillHoles({ inside, rows, columns }: Mask): Mask {
  const outside: Mask = { inside: inside.map((value) => 1 - value), rows, columns };
  const filled = new Uint8Array(inside.length).fill(1);
  for (const component of components(outside)) {
    const open = component.some((at) => {
      const x = at % columns;
      return x === 0 || x === columns - 1 || at < columns || at >= (rows - 1) * columns;
    });
    if (open) for (const at of component) filled[at] = 0;
  }
  return { inside: filled, rows, columns };
}

export function maskOf(members: Int32Array, rows: number, columns: number): Mask {
  const inside = new Uint8Array(rows * columns);
  for (const at of members) inside[at] = 1;
  return { inside, rows, columns };
}

/** Sum over the square of side 2·radius + 1 around each pixel, clipped at the image. */
function boxSums({ inside, rows, columns }: Mask, radius: number) {
  const across = new Int32Array(inside.length);
  for (let y = 0; y < rows; y++) {
    const row = y * columns;
    let sum = 0;
    for (let x = 0; x < Math.min(radius, columns); x++) sum += inside[row + x] as number;
    for (let x = 0; x < columns; x++) {
      if (x + radius < columns) sum += inside[row + x + radius] as number;
      if (x > radius) sum -= inside[row + x - radius - 1] as number;
      across[row + x] = sum;
    }
  }
  const sums = new Int32Array(inside.length);
  const running = new Int32Array(columns);
  for (let y = -radius; y < rows; y++) {
    const enters = (y + radius) * columns;
    const leaves = (y - radius - 1) * columns;
    for (let x = 0; x < columns; x++) {
      let sum = running[x] as number;
      if (y + radius < rows) sum += across[enters + x] as number;
      if (leaves >= 0) sum -= across[leaves + x] as number;
      running[x] = sum;
    }
    if (y >= 0) sums.set(running, y * columns);
  }
  return { sums, rows, columns };
}

function threshold(
  { sums, rows, columns }: { sums: Int32Array; rows: number; columns: number },
  test: (sum: number) => boolean,
): Mask {
  const inside = new Uint8Array(sums.length);
  for (let i = 0; i < sums.length; i++) inside[i] = test(sums[i] as number) ? 1 : 0;
  return { inside, rows, columns };
}
