// The documentation page: renders /openapi.json in the browser, with nothing from elsewhere.
export const DOCS_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>VersaMammo API</title>
<link rel="stylesheet" href="docs/style.css">
</head>
<body>
<header><h1>VersaMammo API</h1><p id="about" class="notice"></p>
<p>Machine-readable: <a href="openapi.json">openapi.json</a></p></header>
<main id="operations"><noscript>For research use only. Not a medical device. This page needs JavaScript; openapi.json says the same.</noscript></main>
<section><h2>Schemas</h2><div id="schemas"></div></section>
<script src="docs/page.js"></script>
</body>
</html>
`;

export const DOCS_CSS = `
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
.notice { font-weight: 600; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; background: #8881; padding: .6rem; border-radius: .4rem; }
.method { display: inline-block; min-width: 4.5em; font-weight: 700; text-transform: uppercase; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; }
`;

export const DOCS_SCRIPT = `
'use strict';
const make = (name, text, ...children) => {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
};
const nameOf = (schema) => {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.type === 'array') return nameOf(schema.items) + '[]';
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const any = schema.anyOf || schema.oneOf;
  return any ? any.map(nameOf).join(' | ') : [].concat(schema.type || 'any').join(' | ');
};
const fields = (schema) => {
  const table = make('table');
  for (const [name, field] of Object.entries((schema && schema.properties) || {})) {
    const row = make('tr', '', make('td', '', make('code', name)), make('td', nameOf(field) + ((schema.required || []).includes(name) ? '' : '?')), make('td', field.description || ''));
    table.append(row);
  }
  return table;
};
const resolve = (api, part) => (part && part.$ref ? part.$ref.slice(2).split('/').reduce((at, name) => at[name], api) : part);
fetch('openapi.json').then((answer) => answer.json()).then((api) => {
  document.getElementById('about').textContent = api.info.description + ' Version ' + api.info.version + '.';
  const groups = new Map((api.tags || []).map(({ name }) => [name, []]));
  const abouts = new Map((api.tags || []).map(({ name, description }) => [name, description]));
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ['other'])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push({ path, method, operation });
    }
  const main = document.getElementById('operations');
  for (const [tag, operations] of groups) {
    if (operations.length === 0) continue;
    main.append(make('h2', tag), make('p', abouts.get(tag) || ''));
    for (const { path, method, operation } of operations) {
      const summary = make('summary', '', Object.assign(make('span', method), { className: 'method' }), make('code', path), ' ', operation.summary || '');
      const box = make('details', '', summary, make('p', operation.description || ''));
      if ((operation.parameters || []).length) {
        const table = make('table');
        for (const one of operation.parameters) table.append(make('tr', '', make('td', '', make('code', one.name)), make('td', one.in + ', ' + nameOf(one.schema) + (one.required ? '' : '?')), make('td', one.description || (one.schema && one.schema.description) || '')));
        box.append(make('h4', 'Parameters'), table);
      }
      for (const [type, { schema }] of Object.entries((operation.requestBody && operation.requestBody.content) || {}))
        box.append(make('h4', type), fields(resolve(api, schema)));
      const answers = make('table');
      for (const [status, given] of Object.entries(operation.responses)) {
        const answer = resolve(api, given);
        const [content] = Object.entries(answer.content || {});
        answers.append(make('tr', '', make('td', '', make('code', status)), make('td', answer.description || ''), make('td', content ? nameOf(content[1].schema) || content[0] : '')));
      }
      box.append(make('h4', 'Answers'), answers);
      main.append(box);
    }
  }
  const schemas = document.getElementById('schemas');
  for (const [name, schema] of Object.entries(api.components.schemas))
    schemas.append(make('details', '', make('summary', '', make('code', name)), make('p', schema.description || ''), fields(schema), make('pre', JSON.stringify(schema, null, 2))));
});
`;
