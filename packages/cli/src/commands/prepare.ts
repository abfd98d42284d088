// versamammo prepare: a published data set → prepared images and cases.jsonl.
import { type Adapter, adapterNamed, adapters, prepareDataset } from '@versamammo/datasets';
import type { Command } from '../command.ts';
import { progress } from '../terminal/progress.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';

const settings = new Map(adapters.flatMap((adapter) => Object.entries(adapter.settings ?? {})));

export const command: Command = {
  summary: 'Turn a published data set into prepared images and cases.jsonl',
  usage: `Usage: versamammo prepare DATASET --from DIR --to DIR [options]
       versamammo prepare --list

Decodes every image, brings it into canonical orientation, crops it to the breast, and writes 16-bit grey PNGs, masks,
cases.jsonl and dataset.json. A patient is on one side of the split only, and so are duplicates. An interrupted run is
resumed by running it again. Files that cannot be used are listed in dataset.json and do not stop the rest.

  --long-side N        longer side of the prepared images in pixels, never enlarged (default 1024)
  --publisher-split    use the publisher's split instead of ours (80/10/10 by patient)
  --against DIR        a set prepared before, whose duplicates keep to its split (repeatable)
  --workers N          images prepared at once (default: one for each core)
${[...settings].map(([flag, about]) => `  --${`${flag} X`.padEnd(18)} ${about}`).join('\n')}

Example: versamammo prepare vindr-mammo --from ~/vindr-mammo --to data/vindr-mammo --long-side 1024`,
  options: {
    list: { type: 'boolean' },
    from: { type: 'string' },
    to: { type: 'string' },
    'long-side': { type: 'string', default: '1024' },
    'publisher-split': { type: 'boolean' },
    against: { type: 'string', multiple: true },
    workers: { type: 'string' },
    ...Object.fromEntries([...settings.keys()].map((flag) => [flag, { type: 'string' } as const])),
  },
  async run({ positionals, values, json, out, err, signal }) {
    if (values.list === true) {
      out.write(json ? `${JSON.stringify(adapters.map(describe))}\n` : `${listing()}\n`);
      return 0;
    }
    const [name, ...others] = positionals;
    if (name === undefined || others.length > 0)
      throw new UsageError('Name one data set: versamammo prepare DATASET --from DIR --to DIR. --list shows them.');
    const adapter = adapterNamed(name);
    const longSide = whole(values['long-side'], '--long-side', 16);
    err.write(
      `${adapter.title}\nSource: ${adapter.source} (verified: ${adapter.verified})\nLicence: ${adapter.licence.id}\n`,
    );
    let bar: ReturnType<typeof progress> | undefined;
    const record = await prepareDataset(adapter, {
      from: adapter.generated ? '' : needed(values.from, '--from', adapter),
      to: needed(values.to, '--to', adapter),
      longSide,
      settings: settingsOf(adapter, values),
      publisherSplit: values['publisher-split'] === true,
      against: list(values.against),
      ...(values.workers === undefined ? {} : { workers: whole(values.workers, '--workers', 1) }),
      onProgress(done, total) {
        bar ??= progress(process.stderr, 'images', total);
        bar.update(done);
      },
      signal,
    });
    bar?.end();
    for (const note of record.notes) err.write(`Note: ${note}\n`);
    if (json) out.write(`${JSON.stringify(record)}\n`);
    else out.write(`${summary(record)}\n`);
    return record.counts.refused > 0 ? 1 : 0;
  },
};

type Prepared = Awaited<ReturnType<typeof prepareDataset>>;

function summary({ counts, refused, contentSha256 }: Prepared): string {
  const rows = Object.entries(counts.splits).map(([split, { images, patients }]) => [split, images, patients]);
  const lines = [table(['split', 'images', 'patients'], [...rows, ['all', counts.images, counts.patients]])];
  for (const { file, reason } of refused.slice(0, 10)) lines.push(`Refused ${file}: ${reason}`);
  if (refused.length > 10) lines.push(`… and ${refused.length - 10} more, listed in dataset.json`);
  lines.push(`Content ${contentSha256}`);
  return lines.join('\n');
}

const describe = ({ name, title, verified, licence, source, layout }: Adapter) => ({
  name,
  title,
  verified,
  licence,
  source,
  layout,
});

function listing(): string {
  return table(
    ['dataset', 'verified', 'licence', 'releasable', 'title'],
    adapters.map(({ name, verified, licence, title }) => [
      name,
      verified,
      licence.id,
      licence.releasable ? 'yes' : 'no',
      title,
    ]),
  );
}

type Value = string | boolean | (string | boolean)[] | undefined;

function needed(value: Value, flag: string, adapter: Adapter): string {
  if (typeof value === 'string') return value;
  throw new UsageError(`${flag} is missing. The source of ${adapter.name} is a folder with: ${adapter.layout}.`);
}

function whole(value: Value, flag: string, least: number): number {
  const number = Number(value);
  if (typeof value === 'string' && Number.isInteger(number) && number >= least) return number;
  throw new UsageError(`${flag} takes a whole number of at least ${least}.`);
}

const list = (value: Value): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);

function settingsOf({ name, settings: taken = {} }: Adapter, values: Record<string, Value>): Record<string, string> {
  const given = [...settings.keys()].flatMap((flag): [string, string][] => {
    const value = values[flag];
    return typeof value === 'string' ? [[flag, value]] : [];
  });
  const foreign = given.find(([flag]) => !Object.hasOwn(taken, flag));
  if (foreign) throw new UsageError(`--${foreign[0]} means nothing to ${name}.`);
  return Object.fromEntries(given);
}
