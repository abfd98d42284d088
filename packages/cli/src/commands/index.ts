// The commands by name, loaded when called. Add a line, and a file that exports `command`.
import type { Command } from '../command.ts';

export const commands = {
  inspect: () => import('./inspect.ts'),
  prepare: () => import('./prepare.ts'),
  train: () => import('./train.ts'),
} satisfies Record<string, () => Promise<{ command: Command }>> as Record<string, () => Promise<{ command: Command }>>;

export type CommandName = keyof typeof commands;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
