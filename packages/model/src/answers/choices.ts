// matchChoices: several-choice options as labels of a topic.
import type { Topic } from '@versamammo/schema';

export interface Choice {
  /** As the caller wrote it. */
  text: string;
  label: string;
}

/**
 * An option is a label when it says the label or one of its phrases: "(B) scattered fibroglandular densities" is B.
 * The longest phrase wins. Options that say no label are left out; of two that say the same one, the first stays.
 */
export function matchChoices(topic: Topic, choices: string[]): Choice[] {
  const matched = choices.flatMap((text) => {
    const label = labelNamed(topic, text);
    return label === null ? [] : [{ text, label }];
  });
  return matched.filter(({ label }, i) => matched.findIndex((other) => other.label === label) === i);
}

function labelNamed({ labels, phrases }: Topic, text: string): string | null {
  const option = words(text.replace(/^\s*\(?[a-z0-9]\s*[).:]\s+/i, ''));
  const names = labels
    .flatMap((label) => [label, ...(phrases[label] ?? [])].map((name) => ({ label, name: words(name) })))
    .sort((a, b) => b.name.length - a.name.length);
  const exact = names.find(({ name }) => name === option);
  const within = names.find(({ name }) => name.length > 1 && ` ${option} `.includes(` ${name} `));
  return (exact ?? within)?.label ?? null;
}

/** Lower-case words and numbers, everything else a space. */
export function words(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
