// recipe: a code block of docs/pacs.md, so that what is tested is what is written there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page = readFileSync(join(import.meta.dirname, '../../docs/pacs.md'), 'utf8');

/** The first block of a language, with our server and key in the places of the page's. */
export function recipe(language: 'python' | 'json' | 'lua', { url, key }: { url: string; key: string }): string {
  const block = page.split(`\`\`\`${language}\n`)[1]?.split('\n```')[0];
  if (block === undefined) throw new Error(`docs/pacs.md has no block of ${language}.`);
  return block.replaceAll('http://127.0.0.1:8080', url).replaceAll('vm_…', key);
}
