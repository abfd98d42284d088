// versamammo ask FILE… --question Q: visual question answering.
import type { Answer } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { json, list } from '../values.ts';

const QUESTIONS_AT_ONCE = 4;

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
        async (file, _place, signal) => {
          const answers: Answer[] = [];
          // A few at once: questions about the same file at the same time share its decoding.
          for (let at = 0; at < questions.length; at += QUESTIONS_AT_ONCE) {
            const some = questions.slice(at, at + QUESTIONS_AT_ONCE);
            answers.push(
              ...(await Promise.all(some.map((question) => client.vqa.ask({ file, question, ...more }, { signal })))),
            );
          }
          return answers;
        },
        (file, answers) => [file, ...answers.map(show)].join('\n'),
      );
    }),
};

/** Cases in the table for people; they come with the largest share of the vote first. */
const EVIDENCE_SHOWN = 5;

function show(answer: Answer): string {
  const lines = [`\n  ${answer.question}`, `  → ${answer.text}`];
  if (answer.distribution.length > 0)
    lines.push(
      `    ${answer.distribution.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`).join(', ')}`,
    );
  const shown = answer.evidence.slice(0, EVIDENCE_SHOWN);
  if (shown.length > 0)
    lines.push(
      indent(
        table(
          ['similar case', 'from', 'similarity', 'says', 'share of the vote', 'change without it'],
          shown.map(({ id, collection, similarity, says, weight, changeIfLeftOut }) => [
            id,
            collection,
            similarity.toFixed(3),
            says,
            `${(100 * weight).toFixed(1)} %`,
            `${changeIfLeftOut >= 0 ? '+' : ''}${(100 * changeIfLeftOut).toFixed(1)} %`,
          ]),
        ),
      ),
    );
  if (answer.evidence.length > shown.length)
    lines.push(`    and ${answer.evidence.length - shown.length} more (--json shows all)`);
  if (answer.domain?.note) lines.push(`    ${answer.domain.note}`);
  if (answer.support?.warning) lines.push(`    ${answer.support.warning}`);
  return `${lines.join('\n')}\n  ${answer.bundle}. ${answer.notice}\n`;
}

const indent = (lines: string) => lines.replaceAll(/^/gm, '    ');
