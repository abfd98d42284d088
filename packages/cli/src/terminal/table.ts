// Columns of text, aligned; numbers to the right. What is too wide for the terminal goes on in the next line.

const GAP = 2;

/** `width` characters, as far as words allow; default: the terminal's, or 100. */
export function table(
  header: string[],
  rows: (string | number | null)[][],
  width: number = process.stdout.columns ?? 100,
): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => (cell === null ? '–' : String(cell))))];
  const right = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === null),
  );
  const widths = fit(
    header.map((_, column) => cells.map((row) => row[column] ?? '')),
    width - GAP * (header.length - 1),
  );
  const lines = (row: string[]) => {
    const wrapped = row.map((cell, column) => wrap(cell, widths[column] ?? 0));
    return Array.from({ length: Math.max(...wrapped.map(({ length }) => length)) }, (_, i) =>
      wrapped
        .map((parts, column) => [parts[i] ?? '', widths[column] ?? 0] as const)
        .map(([part, size], column) => (right[column] ? part.padStart(size) : part.padEnd(size)))
        .join(' '.repeat(GAP))
        .trimEnd(),
    );
  };
  const [first = [], ...others] = cells.map(lines);
  const rule = widths.map((size) => '─'.repeat(size)).join(' '.repeat(GAP));
  return [...first, rule, ...others.flat()].join('\n');
}

/** Widths of columns with these texts that take `total` together, the widest narrowed first, none below its longest word. */
function fit(columns: string[][], total: number): number[] {
  const longest = (texts: string[]) => Math.max(...texts.map(({ length }) => length));
  const widths = columns.map(longest);
  const least = columns.map((texts) => longest(texts.flatMap((text) => text.split(' '))));
  for (let excess = widths.reduce((sum, size) => sum + size, -total); excess > 0; excess--) {
    const widest = widths.reduce(
      (best, size, i) => (size > (least[i] ?? 0) && size > (widths[best] ?? 0) ? i : best),
      -1,
    );
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Lines of at most `width` characters, broken between words. */
export function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
