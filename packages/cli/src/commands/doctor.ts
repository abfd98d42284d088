// versamammo doctor: is everything there, and do store, records and index agree?
import { statfs } from 'node:fs/promises';
import { createServices, DataFolderLocked, examine, lockDataFolder } from '@versamammo/functions';
import { readConfiguration } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { VersaMammo } from '@versamammo/sdk';
import type { Command } from '../command.ts';

interface Finding {
  check: string;
  ok: boolean;
  detail: string;
}

const LEAST_FREE_BYTES = 2 ** 30;

export const command: Command = {
  summary: 'Check the installation, and that store, records and index agree',
  usage: `Usage: versamammo doctor [--json]

Checks Node, the configuration, the data folder, the model bundle and, image by image, that bytes, record and vector are all there.
Changes nothing. While a server is running it only asks whether that is ready. Exit status 1 if something is wrong.`,
  options: {},
  allowPositionals: false,
  async run({ json, out }) {
    const findings: Finding[] = [];
    const add = (check: string, ok: boolean, detail: string) => findings.push({ check, ok, detail });
    add('node', Number(process.versions.node.split('.')[0]) >= 24, process.version);
    try {
      await examineInstallation(add);
    } catch (error) {
      if (!(error instanceof VersaMammoError)) throw error;
      add(error.code, false, error.message);
    }
    for (const finding of findings)
      out.write(
        json
          ? `${JSON.stringify(finding)}\n`
          : `${finding.ok ? 'ok    ' : 'WRONG '} ${finding.check.padEnd(14)} ${finding.detail}\n`,
      );
    return findings.every(({ ok }) => ok) ? 0 : 1;
  },
};

async function examineInstallation(add: (check: string, ok: boolean, detail: string) => void): Promise<void> {
  const configuration = readConfiguration(process.env);
  add(
    'configuration',
    true,
    `platform ${configuration.platform.kind}, ${configuration.qdrant === null ? 'embedded index' : 'Qdrant'}`,
  );
  if (configuration.platform.kind !== 'local') return;
  const { data } = configuration.platform;
  let lock: ReturnType<typeof lockDataFolder>;
  try {
    lock = lockDataFolder(data);
  } catch (error) {
    if (!(error instanceof DataFolderLocked) || error.url === null) throw error;
    const { bundles } = await new VersaMammo({ baseURL: error.url }).models();
    add(
      'server',
      bundles.length > 0,
      `${error.url} answers with ${bundles.map(({ name, version }) => `${name} ${version}`).join(', ')}; stop it to compare store, records and index`,
    );
    return;
  }
  try {
    const { bavail, bsize } = await statfs(data);
    add('disk', bavail * bsize > LEAST_FREE_BYTES, `${Math.floor((bavail * bsize) / 1e9)} GB free`);
    const services = await createServices(configuration);
    try {
      const model = await services.model();
      add(
        'bundle',
        true,
        `${model.manifest.name} ${model.manifest.version} on ${model.provider}, space ${model.space}`,
      );
      const { disagreements, images, indexed, waiting, quarantined, failed, tenants } = await examine(services);
      add(
        'images',
        true,
        `${images} of ${tenants} tenants: ${indexed} searchable, ${waiting} waiting, ${quarantined} in quarantine, ${failed} failed`,
      );
      for (const { kind, tenant, id } of disagreements.slice(0, 20)) add(kind, false, `${id} of tenant ${tenant}`);
      if (disagreements.length > 20) add('more', false, `${disagreements.length - 20} further images`);
      if (disagreements.length === 0) add('agreement', true, 'store, records and index hold the same images');
    } finally {
      await services.close();
    }
  } finally {
    lock.release();
  }
}
