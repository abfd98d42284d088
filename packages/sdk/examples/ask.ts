// A question about an image, and what the answer rests on: node ask.ts left-mlo.dcm "What is the breast density?"
import { UnprocessableError, VersaMammo } from '@versamammo/sdk';

const [file, question = 'What is the breast density?'] = process.argv.slice(2);
if (file === undefined) throw new Error('Name an image.');

const client = new VersaMammo();
try {
  const { text, distribution, evidence, notice } = await client.vqa.ask({ file, question });
  console.log(text);
  for (const { label, probability } of distribution) console.log(`  ${label} ${(100 * probability).toFixed(1)} %`);
  console.log(`${evidence.length} similar cases looked at. ${notice}`);
} catch (error) {
  if (!(error instanceof UnprocessableError)) throw error;
  console.error(`The server cannot take this image (${error.code}): ${error.problem?.detail}`);
  process.exitCode = 1;
}
