// Embeds a phantom with the tiny bundle on the CPU, as the worker does it with images.
import { encodePhantomPng, phantom, readMammogram } from '../packages/imaging/src/index.ts';
import { openModel } from '../packages/model/src/index.ts';

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) throw new Error(`Node 24 runs the worker, this is ${process.version}.`);
await import('../functions/src/services/services.ts');
const model = await openModel('models/tiny', { workers: 1 });
const { vector } = await model.embed(await readMammogram(encodePhantomPng(phantom(1))));
await model.close();
const length = Math.hypot(...vector);
if (Math.abs(length - 1) > 1e-4) throw new Error(`The vector has length ${length}, not 1.`);
console.log(`The worker is whole: Node ${process.version}, a vector of ${vector.length} numbers.`);
