// phrase: an OpenAI-compatible endpoint may say the answer in its own words, never another answer.
import type { Topic } from '@versamammo/schema';
import { z } from 'zod';

/** Configured by the operator, never by a caller. */
export interface PhrasingOptions {
  /** E.g. `http://127.0.0.1:11434/v1`; `/chat/completions` is appended. */
  baseUrl: string;
  apiKey?: string;
  model: string;
  /** Default 5,000. */
  timeoutMs?: number;
}

const Completion = z.object({ choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1) });
const LONGEST = 600;

/**
 * The plain sentence in other words, or the plain sentence itself where the endpoint fails, is late, or says anything
 * but the answer's label. Only the topic's title and the plain sentence are sent: no question, no patient, no image.
 */
export async function phrase(
  topic: Topic,
  answer: string[],
  plain: string,
  { baseUrl, apiKey, model, timeoutMs = 5000 }: PhrasingOptions,
  signal?: AbortSignal,
): Promise<string> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/chat/completions`, {
      method: 'POST',
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        model,
        temperature: 0,
        max_tokens: 120,
        messages: [
          {
            role: 'system',
            content: 'Rewrite the sentence in one plain sentence. Keep every medical term. Add nothing.',
          },
          { role: 'user', content: `Topic: ${topic.title}\nSentence: ${plain}` },
        ],
      }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const { choices } = Completion.parse(response.ok ? await response.json() : {});
    const text = choices[0]?.message.content.trim() ?? '';
    return text.length <= LONGEST && saysOnly(topic, answer, text) ? text : plain;
  } catch {
    return plain; // phrasing is an ornament: whatever goes wrong with it, the answer stands
  }
}

/** Whether `text` names every label of the answer and no other label of the topic; a longer name hides the shorter in it. */
export function saysOnly({ labels, phrases }: Topic, answer: string[], text: string): boolean {
  const names = labels
    .flatMap((label) => [label, ...(phrases[label] ?? [])].map((name) => ({ label, name })))
    .sort((a, b) => b.name.length - a.name.length);
  const said = new Set<string>();
  let rest = text;
  for (const { label, name } of names) {
    const pattern = patternOf(name);
    if (!pattern.test(rest)) continue;
    said.add(label);
    rest = rest.replaceAll(new RegExp(pattern, `${pattern.flags}g`), ' ¦ ');
  }
  return said.size === answer.length && answer.every((label) => said.has(label));
}

/** A name as whole words. A single letter must stand as it is written, and not before a word, where it may be an article. */
function patternOf(name: string): RegExp {
  const literal = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const whole = `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`;
  return /^\p{L}$/u.test(name) ? new RegExp(`${whole}(?!\\s+\\p{L})`, 'u') : new RegExp(whole, 'iu');
}
