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

/** Grows `seed` by `steps` pixels without leaving `within`. */
export function growWithin(seed: Mask, within: Mask, steps: number): Mask {
  let grown = seed;
  for (let i = 0; i < steps; i++) {
    const next = dilate(grown, 1);
    for (let j = 0; j < next.inside.length; j++) if (!within.inside[j]) next.inside[j] = 0;
    grown = next;
  }
  return grown;
}

/** The 4-connected components, largest first, as lists of pixel indices. */
export function components({ inside, rows, columns }: Mask): Int32Array[] {
  const seen = new Uint8Array(inside.length);
  const stack = new Int32Array(inside.length);
  const found: Int32Array[] = [];
  for (let start = 0; start < inside.length; start++) {
    if (!inside[start] || seen[start]) continue;
    const members: number[] = [];
    let top = 0;
    stack[top++] = start;
    seen[start] = 1;
    const visit = (at: number) => {
      if (inside[at] && !seen[at]) {
        seen[at] = 1;
        stack[top++] = at;
      }
    };
    while (top > 0) {
      const at = stack[--top] as number;
      members.push(at);
      const x = at % columns;
      if (x > 0) visit(at - 1);
      if (x < columns - 1) visit(at + 1);
      if (at >= columns) visit(at - columns);
      if (at < (rows - 1) * columns) visit(at + columns);
    }
    found.push(Int32Array.from(members));
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
    let sum = 0;
    const row = y * columns;
    for (let x = -radius; x < columns; x++) {
      if (x + radius < columns) sum += inside[row + x + radius] ?? 0;
      if (x - radius > 0) sum -= inside[row + x - radius - 1] ?? 0;
      if (x >= 0) across[row + x] = sum;
    }
  }
  const sums = new Int32Array(inside.length);
  for (let x = 0; x < columns; x++) {
    let sum = 0;
    for (let y = -radius; y < rows; y++) {
      if (y + radius < rows) sum += across[(y + radius) * columns + x] ?? 0;
      if (y - radius > 0) sum -= across[(y - radius - 1) * columns + x] ?? 0;
      if (y >= 0) sums[y * columns + x] = sum;
    }
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
