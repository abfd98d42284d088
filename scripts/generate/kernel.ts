// The bytes of the index's WebAssembly kernel, compiled from its text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';

const folder = 'packages/index/src/embedded';

export default async function generate(): Promise<Record<string, string>> {
  const { parseWat } = await wabt();
  const text = readFileSync(join(import.meta.dirname, '../..', folder, 'kernel.wat'), 'utf8');
  const module = parseWat('kernel.wat', text, { simd: true, threads: true, relaxed_simd: true });
  try {
    const { buffer } = module.toBinary({ write_debug_names: false });
    if (!WebAssembly.validate(new Uint8Array(buffer)))
      throw new Error('kernel.wat compiles to bytes that are no valid module.');
    return {
      [`${folder}/kernel.gen.ts`]: `// Compiled from kernel.wat by \`npm run generate\`.\nexport const KERNEL_BASE64 =\n  '${Buffer.from(buffer).toString('base64')}';\n`,
    };
  } finally {
    module.destroy();
  }
}
