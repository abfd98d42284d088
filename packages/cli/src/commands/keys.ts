// versamammo keys list | create | revoke: API keys of the tenant.
import type { ApiKey } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { list, text } from '../values.ts';

const SCOPES = ['read', 'write', 'admin'] as const;

export const command: Command = {
  summary: 'Make, list and revoke API keys',
  usage: `Usage: versamammo keys list
       versamammo keys create --name NAME [--scope read|write|admin]… [--expires DATE]
       versamammo keys create-tenant --name NAME
       versamammo keys revoke ID

A key's secret is shown once, when it is made. As soon as one key exists, every request needs one.

  --name NAME        what the key or tenant is for; no patient's name
  --scope S          what it may do (repeatable; default read and write)
  --expires DATE     e.g. 2027-01-31 (default: never)
${CONNECTION_USAGE}`,
  options: {
    name: { type: 'string' },
    scope: { type: 'string', multiple: true },
    expires: { type: 'string' },
    ...CONNECTION_OPTIONS,
  },
  run: (context) =>
    withClient(context, async (client) => {
      const { positionals, values, json, out, signal } = context;
      const [action = 'list', id] = positionals;
      const print = (value: object, shown: string) => out.write(json ? `${JSON.stringify(value)}\n` : `${shown}\n`);
      if (action === 'list') {
        const keys = await client.keys.list({ signal });
        if (json) for (const key of keys) print(key, '');
        else print(keys, table(['id', 'name', 'scopes', 'made', 'expires'], keys.map(rowOf)));
      } else if (action === 'create') {
        const key = await client.keys.create(
          {
            name: needed(text(values.name)),
            scopes: scopesOf(list(values.scope)),
            expiresAt: expiry(text(values.expires)),
          },
          { signal },
        );
        print(
          key,
          `Key ${key.id} (${key.scopes.join(', ')}). Its secret is shown this once:\n\n  ${key.secret}\n\nUse it: export VERSAMAMMO_API_KEY=… or send "Authorization: Bearer …".`,
        );
      } else if (action === 'create-tenant') {
        const made = await client.tenants.create({ name: needed(text(values.name)) }, { signal });
        print(
          made,
          `Tenant ${made.tenant.id}. The secret of its first key is shown this once:\n\n  ${made.key.secret}`,
        );
      } else if (action === 'revoke') {
        if (id === undefined) throw new UsageError('Name the key: versamammo keys revoke ID.');
        await client.keys.revoke(id, { signal });
        print({ id, revoked: true }, `Key ${id} no longer works.`);
      } else throw new UsageError(`There is no "keys ${action}": use list, create, create-tenant or revoke.`);
      return 0;
    }),
};

const rowOf = ({ id, name, scopes, createdAt, expiresAt }: ApiKey) => [
  id,
  name,
  scopes.join(' '),
  createdAt.slice(0, 10),
  expiresAt?.slice(0, 10) ?? 'never',
];

function needed(name: string | undefined): string {
  if (name === undefined || name.trim() === '') throw new UsageError('Give it a name: --name "reading room".');
  return name;
}

function scopesOf(given: string[]): (typeof SCOPES)[number][] {
  if (given.length === 0) return ['read', 'write'];
  return given.map((name) => {
    const scope = SCOPES.find((one) => one === name);
    if (scope === undefined) throw new UsageError(`--scope takes ${SCOPES.join(', ')}.`);
    return scope;
  });
}

function expiry(value: string | undefined): string | null {
  if (value === undefined) return null;
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) throw new UsageError('--expires takes a date such as 2027-01-31.');
  return date.toISOString();
}
