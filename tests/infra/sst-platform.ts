// ensureSstPlatform: `.sst/platform`, which the types and components of infra/ come from; made on first use, kept by version.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const stamp = join(root, '.sst', 'versamammo-sst');

/** The folder. About a minute and 323 MB the first time. Throws with a sentence when it cannot be made. */
export function ensureSstPlatform(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/sst/package.json'), 'utf8'));
  const platform = join(root, '.sst', 'platform');
  const complete = existsSync(join(platform, 'node_modules/@pulumi/aws/package.json'));
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return platform;

  console.log('Making .sst/platform (323 MB, about a minute, once) …');
  rmSync(stamp, { force: true });
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/sst'), ['install', '--stage', 'ci'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 300_000,
    env: {
      ...process.env,
      // It must look for no credentials, no Pulumi, no Bun and no network but npm's.
      SST_SKIP_DEPENDENCY_CHECK: 'true',
      SST_NO_BUN: '1',
      SST_TELEMETRY_DISABLED: '1',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      XDG_CONFIG_HOME: join(root, '.cache'),
    },
  });
  if (status !== 0 || !existsSync(join(platform, 'node_modules/@pulumi/aws/package.json')))
    throw new Error(
      `SST's platform could not be installed from npm (\`npx sst install\` ended with ${status}): the infrastructure is not verified. ${stdout}${stderr}`,
    );
  writeFileSync(stamp, version);
  return platform;
}
