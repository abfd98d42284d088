// versamammo demo: fills the collection `demo` with phantoms to look at.
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { type Density, type Laterality, RESEARCH_USE } from '@versamammo/schema';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { progress } from '../terminal/progress.ts';
import { whole } from '../values.ts';

const DENSITIES: readonly Density[] = ['A', 'B', 'C', 'D'];
const LONG_SIDE = 1024;

export const command: Command = {
  summary: 'Fill the collection "demo" with synthetic mammograms',
  usage: `Usage: versamammo demo [--count N] [--seed S] [options]

Makes synthetic mammograms and stores them in the collection "demo". They are returned only when that collection is named
(search --collection demo), and never move an answer about a real image.

  --count N          how many (default 24); four make a patient
  --seed S           the same seed makes the same images (default 1)
${CONNECTION_USAGE}

Example: versamammo demo --count 40 && versamammo search left-mlo.dcm --collection demo`,
  options: { count: { type: 'string' }, seed: { type: 'string' }, ...CONNECTION_OPTIONS },
  allowPositionals: false,
  run: (context) =>
    withClient(context, async (client) => {
      const count = whole(context.values.count, '--count', 1) ?? 24;
      const seed = whole(context.values.seed, '--seed') ?? 1;
      const bar = progress(process.stderr, 'phantoms', count);
      const ids: string[] = [];
      for (let i = 0; i < count; i++) {
        context.signal.throwIfAborted();
        const patient = Math.floor(i / 4);
        const laterality: Laterality = i % 2 === 0 ? 'L' : 'R';
        const made = phantom(seed * 100_000 + i, {
          laterality,
          view: i % 4 < 2 ? 'CC' : 'MLO',
          density: DENSITIES[(seed + patient) % DENSITIES.length] ?? 'B',
          longSide: LONG_SIDE,
        });
        const key = `phantom-${seed}-${patient}`;
        const image = await client.images.create(
          encodePhantomDicom(made),
          {
            collection: 'demo',
            dataset: 'phantom',
            patientKey: key,
            examKey: key,
            labels: { ...made.labels },
            lesions: made.lesions.map(({ box, finding, pathology, birads }) => ({ box, finding, pathology, birads })),
          },
          { signal: context.signal },
        );
        ids.push(image.id);
        bar.update(i + 1);
      }
      bar.end();
      if (context.json) for (const id of ids) context.out.write(`${JSON.stringify({ id })}\n`);
      else
        context.out.write(
          `${count} synthetic mammograms are in the collection "demo". Search among them: versamammo search FILE --collection demo\nLook at one, with what was found on it, where the server runs: /v1/images/${ids[0]}/preview?boxes=true\n${RESEARCH_USE}\n`,
        );
      return 0;
    }),
};
