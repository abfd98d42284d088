// The commands by name, loaded when called. Add a line, and a file that exports `command`.
import type { Command } from '../command.ts';

export const commands = {
  serve: () => import('./serve.ts'),
  ingest: () => import('./ingest.ts'),
  search: () => import('./search.ts'),
  ask: () => import('./ask.ts'),
  analyze: () => import('./analyze.ts'),
  embed: () => import('./embed.ts'),
  prepare: () => import('./prepare.ts'),
  inspect: () => import('./inspect.ts'),
  train: () => import('./train.ts'),
  index: () => import('./index-command.ts'),
  keys: () => import('./keys.ts'),
  demo: () => import('./demo.ts'),
  doctor: () => import('./doctor.ts'),
} satisfies Record<string, () => Promise<{ command: Command }>> as Record<string, () => Promise<{ command: Command }>>;

export type CommandName = keyof typeof commands;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
