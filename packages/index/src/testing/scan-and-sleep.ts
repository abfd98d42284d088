// Scans on threads, does nothing for half a second, and ends: prints the processor time of that half second.
import { setTimeout } from 'node:timers/promises';
import { Bitmap } from '../embedded/bitmap.ts';
import { scanPool } from '../embedded/scan-pool.ts';
import { VectorSegments } from '../embedded/vector-segments.ts';

const segments = new VectorSegments(512);
segments.grow(40_000);
const rows = new Bitmap(40_000).not().words;
for (let i = 0; i < 5; i++) await scanPool.scan(segments, { query: new Float32Array(512), k: 5, rows, count: 40_000 });

await setTimeout(100);
const before = process.cpuUsage();
await setTimeout(500);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ threads: scanPool.threads.length, idleMs: (user + system) / 1000 }));
