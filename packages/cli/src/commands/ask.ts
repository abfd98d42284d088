// versamammo ask FILE… --question Q: visual question answering.
import type { Answer } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { json, list } from '../values.ts';

export const command: Command = {
  summary: 'Ask questions about an image',
  usage: `Usage: versamammo ask FILE… --question Q [--question Q2] [options]

Answers from the image and from similar cases, with the evidence; says so plainly where it cannot or should not answer.

  --question Q       the question (repeatable: each is answered for each file)
  --option O         several-choice: the answer is one of these (repeat it)
  --prior JSON       share of each label to assume, e.g. '{"A": 0.1, "B": 0.4, "C": 0.4, "D": 0.1}'
${CONNECTION_USAGE}

Example: versamammo ask left-mlo.dcm --question "What is the breast density?"`,
  options: {
    question: { type: 'string', multiple: true },
    option: { type: 'string', multiple: true },
    prior: { type: 'string' },
    ...CONNECTION_OPTIONS,
  },
  run: (context) =>
    withClient(context, async (client) => {
      const { values } = context;
      const questions = list(values.question);
      if (questions.length === 0) throw new UsageError('Ask something: --question "What is the breast density?"');
      const options = list(values.option);
      const prior = json<Record<string, number>>(values.prior, '--prior');
      const more = { ...(options.length > 0 && { options }), ...(prior !== undefined && { prior }) };
      return eachFile(
        context,
        // All at once: questions about the same file at the same time share its decoding.
        (file, _place, signal) =>
          Promise.all(questions.map((question) => client.vqa.ask({ file, question, ...more }, { signal }))),
        (file, answers) => [file, ...answers.map(show)].join('\n'),
      );
    }),
};

function show(answer: Answer): string {
  const lines = [`\n  ${answer.question}`, `  → ${answer.text}`];
  if (answer.distribution.length > 0)
    lines.push(
      `    ${answer.distribution.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`).join(', ')}`,
    );
  if (answer.evidence.length > 0)
    lines.push(
      indent(
        table(
          ['similar case', 'similarity', 'says', 'weight', 'without it'],
          answer.evidence.map(({ id, similarity, says, weight, changeIfLeftOut }) => [
            id,
            similarity.toFixed(3),
            says,
            weight.toFixed(3),
            `${changeIfLeftOut >= 0 ? '+' : ''}${changeIfLeftOut.toFixed(3)}`,
          ]),
        ),
      ),
    );
  if (answer.support?.warning) lines.push(`    ${answer.support.warning}`);
  return `${lines.join('\n')}\n  ${answer.bundle}. ${answer.notice}\n`;
}

const indent = (lines: string) => lines.replaceAll(/^/gm, '    ');
