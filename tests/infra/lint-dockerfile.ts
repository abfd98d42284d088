// lintDockerfile: what we ask of a Dockerfile, as sentences about what does not hold.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** `context` is the folder it is built from; `scripts` the folders, relative to it, whose scripts its RUN lines may call. */
export function lintDockerfile(text: string, context: string, scripts = ['docker/']): string[] {
  const found: string[] = [];
  const lines = text
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const stages = new Set<string>();
  let user = 'root';
  let entry = false;
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Za-z]+)\s+(.*)$/.exec(line) ?? [];
    const words = rest.split(/\s+/);
    switch (name) {
      case 'FROM': {
        const [image = ''] = words.filter((word) => !word.startsWith('--'));
        const tag = image.split('/').at(-1)?.split(/[:@]/)[1];
        if (!stages.has(image) && (tag === undefined || !/\d+\.\d+/.test(tag) || tag === 'latest'))
          found.push(`${line}: pin the version.`);
        const as = words.findIndex((word) => word.toUpperCase() === 'AS');
        if (as >= 0) stages.add(words[as + 1] ?? '');
        user = 'root';
        entry = false;
        break;
      }
      case 'RUN': {
        const [program = ''] = words;
        if (!scripts.some((folder) => program.startsWith(folder)) || /[;&|]/.test(rest))
          found.push(`${line}: call a script of ${scripts.join(' or ')}, so that it can be tested.`);
        else if (!existsSync(join(context, program))) found.push(`${line}: there is no such script.`);
        break;
      }
      case 'COPY': {
        const options = words.filter((word) => word.startsWith('--'));
        const from = options.find((option) => option.startsWith('--from='))?.slice(7);
        if (from !== undefined && !stages.has(from)) found.push(`${line}: there is no stage ${from}.`);
        const sources = words.filter((word) => !word.startsWith('--')).slice(0, -1);
        if (from === undefined)
          for (const source of sources)
            if (!existsSync(join(context, source))) found.push(`${line}: there is no ${source}.`);
        break;
      }
      case 'ADD':
        found.push(`${line}: use COPY.`);
        break;
      case 'WORKDIR':
        if (!rest.startsWith('/')) found.push(`${line}: name it from the root.`);
        break;
      case 'USER':
        user = rest;
        break;
      case 'ENTRYPOINT':
      case 'CMD':
        entry = true;
        if (!rest.startsWith('[')) found.push(`${line}: write it as a list, or signals end in a shell.`);
        break;
      case 'ENV':
      case 'ARG':
        if (/(PASSWORD|SECRET|TOKEN|_KEY)\b/i.test(rest)) found.push(`${line}: no secrets in an image.`);
        break;
      case 'LABEL':
      case 'SHELL':
      case 'EXPOSE':
      case 'STOPSIGNAL':
      case 'HEALTHCHECK':
        break;
      default:
        found.push(`${line}: no instruction that is known.`);
    }
  }
  if (user === 'root' || user === '0') found.push('It runs as root.');
  if (!entry) found.push('It has neither ENTRYPOINT nor CMD.');
  return found;
}
