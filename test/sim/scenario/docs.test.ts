/**
 * What is published about the grammar: the reference, and the JSON Schema. WORLDSWITCH_DOCS=write
 * puts the table of operations into docs/scenarios.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { operationRows } from '../../../sim/scenario/all-operations.ts';
import { scenarioJsonSchema } from '../../../sim/scenario/json-schema.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';

const REFERENCE = new URL('../../../docs/scenarios.md', import.meta.url);
const reference = readFileSync(REFERENCE, 'utf8');
const TABLE = /(?<=<!-- operations -->\n)[\s\S]*?(?=\n<!-- \/operations -->)/;

describe('docs/scenarios.md', () => {
  it('has a row for each operation', () => {
    const rows = operationRows().map(
      ({ name, by, args, summary }) => `| \`${name}\` | ${by} | ${args.map((arg) => `\`${arg}\``).join(', ')} | ${summary} |`,
    );
    const table = ['| Operation | Who | Arguments | What it does |', '| --- | --- | --- | --- |', ...rows].join('\n');
    if (process.env.WORLDSWITCH_DOCS === 'write')
      writeFileSync(
        REFERENCE,
        reference.replace(TABLE, () => table),
      );
    else expect(TABLE.exec(reference)?.[0]).toBe(table);
  });

  it('shows an example that is valid', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(reference)?.[1] ?? '';
    const scenario = loadScenario(example, 'docs/scenarios.md', knownProperties());
    expect(resolveScenario(scenario, { variant: 'map-lock-user', knownProperties: knownProperties() }).expect).toBe('clean');
  });

  it('names each key of a scenario', () => {
    const { properties } = scenarioJsonSchema() as { properties: Record<string, unknown> };
    const missing = Object.keys(properties).filter((key) => !new RegExp(`^\\| \`${key}(?:\\.[^\`]*)?\` \\|`, 'm').test(reference));
    expect(missing).toEqual([]);
  });
});

describe('the JSON Schema', () => {
  const schema = scenarioJsonSchema();
  const definitions = schema.$defs as Record<string, { properties: Record<string, { description?: string }> }>;

  it('has a name, not an address', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'urn:worldswitch:scenario:1',
      type: 'object',
    });
  });

  it('allows no other keys, and one operation in a step', () => {
    expect(schema).toMatchObject({ additionalProperties: false, required: ['name', 'summary', 'host'] });
    expect(definitions['guest-step']).toMatchObject({ additionalProperties: false, minProperties: 1, maxProperties: 1 });
  });

  it('describes every operation', () => {
    for (const { name, by, summary } of operationRows()) {
      for (const side of by === 'both' ? ['guest', 'host'] : [by]) {
        expect(definitions[`${side}-step`]?.properties[name]?.description).toBe(summary);
      }
    }
  });

  it('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});
