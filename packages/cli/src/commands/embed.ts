// versamammo embed FILE…: the vector of each image.
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';

export const command: Command = {
  summary: 'Print the vectors of images',
  usage: `Usage: versamammo embed FILE… [--json] [options]

Unit vectors of the bundle's embedding space. --json prints them whole: file, space, vector.
${CONNECTION_USAGE}

Example: versamammo embed --json *.png > vectors.jsonl`,
  options: CONNECTION_OPTIONS,
  run: (context) =>
    withClient(context, (client) =>
      eachFile(
        context,
        async (file, _place, signal) => {
          const { space, vector, support } = await client.embed({ file }, { signal });
          return [{ space, vector, support }];
        },
        (file, [result]) => {
          const first = result?.vector.slice(0, 4).map((value) => value.toFixed(4)) ?? [];
          return `${file}  ${result?.space}  ${result?.vector.length} numbers: ${first.join(' ')} …${result?.support?.warning ? `  ${result.support.warning}` : ''}`;
        },
      ),
    ),
};
