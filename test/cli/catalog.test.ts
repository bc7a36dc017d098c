/** `scenarios`, `check`, `schema` and `machines`: what there is to run, and what it is made of. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { type AnyStateNode, createMachine } from 'xstate';
import { loadReference, resolved } from '../../cli/catalog.ts';
import { mermaidOf } from '../../cli/mermaid.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { mermaidMistakes } from './mermaid-grammar.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const machines = topologyOf(resolved(loadReference('rmp-host-write-race', { cwd: '.' } as never).scenario, {})).machines;

const statesBelow = (node: AnyStateNode): string[] => [
  node.id,
  ...Object.values(node.states).flatMap((child) => statesBelow(child as AnyStateNode)),
];

describe('scenarios', () => {
  it('lists the shipped ones with the keys of the contract', async () => {
    const { json } = await bench.run(['scenarios', '--json']);
    const race = json<{ name: string }[]>().find(({ name }) => name === 'rmp-host-write-race');
    expect(Object.keys(race!)).toEqual(['name', 'summary', 'source', 'claims', 'params', 'variants', 'default', 'expect']);
    expect(race).toMatchObject({ default: 'panic-sigbus', expect: { 'map-lock-user': 'clean' } });
  });

  it('prints the file of one, which checks and runs', async () => {
    const { out } = await bench.run(['scenarios', 'rmp-churn']);
    const [editor, ...lines] = readFileSync('scenarios/sev-snp/rmp-churn.yaml', 'utf8').split('\n');
    // It names the schema as a path from the file, and what is printed is to be put elsewhere.
    expect(editor).toBe('# yaml-language-server: $schema=../../dist/scenario.schema.json');
    expect(out).toBe(lines.join('\n'));
    writeFileSync(bench.path('mine.yaml'), out);
    expect((await bench.run(['check', 'mine.yaml'])).code).toBe(0);
    expect((await bench.run(['run', 'mine.yaml', '--set', 'rounds=1', '--mode', 'memory'])).code).toBe(0);
  });

  it('names every scenario as text', async () => {
    const { out } = await bench.run(['scenarios']);
    expect(out).toContain('rmp-churn');
    expect(out).toContain('--set rounds=2');
  });
});

describe('check', () => {
  it('lists every mistake with file, line, path and message', async () => {
    const text = readFileSync('scenarios/sev-snp/rmp-churn.yaml', 'utf8');
    writeFileSync(bench.path('bad.yaml'), text.replace('cpus: 2', 'cpsu: 2').replace('gfn: 0x5, to: private', 'gfn: 0x5, to: privat'));
    const { code, json } = await bench.run(['check', 'bad.yaml', 'none.yaml', '--json']);
    const { ok, errors } = json<{ ok: boolean; errors: { file: string; line: number; path: string; message: string }[] }>();
    expect([code, ok]).toEqual([2, false]);
    expect(errors.map(({ file }) => file)).toEqual(['bad.yaml', 'bad.yaml', 'none.yaml']);
    expect(errors[0]).toMatchObject({ path: 'host.cpsu', line: 10 });
    expect(errors[0]!.message).toContain('did you mean "cpus"?');
  });

  it('says what runs of a file with another name are called', async () => {
    const text = readFileSync('scenarios/sev-snp/rmp-churn.yaml', 'utf8');
    for (const name of ['copy.yaml', 'rmp-churn.yaml']) writeFileSync(bench.path(name), text);
    const { out } = await bench.run(['check', 'copy.yaml', 'rmp-churn.yaml']);
    expect(out).toBe('ok  copy.yaml  its runs are called rmp-churn\nok  rmp-churn.yaml\n');
  });

  it('reads standard input', async () => {
    expect((await bench.run(['check', '-'], { stdin: 'name: x' })).code).toBe(2);
    expect((await bench.run(['check', '-'], { stdin: Uint8Array.of(0xff, 0xfe) })).out).toContain('not UTF-8');
  });
});

describe('schema', () => {
  it('is JSON Schema', async () => {
    const { code, json } = await bench.run(['schema']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' });
  });
});

describe('machines', () => {
  it('lists the machines, and refuses one that does not exist', async () => {
    expect((await bench.run(['machines'])).out).toMatch(/pcpu +\d+ states +pcpu:0, pcpu:1/);
    expect((await bench.run(['machines', 'pcu'])).err).toContain('did you mean "pcpu"?');
  });

  it.each(Object.keys(machines))('gives %s as JSON from which XState builds the same states', async (name) => {
    const { json } = await bench.run(['machines', name, '--format', 'json']);
    const again = createMachine(json<never>());
    expect(statesBelow(again.root)).toEqual(statesBelow(machines[name]!.root));
  });

  it.each(Object.keys(machines))('gives %s as a well-formed diagram', async (name) => {
    const { out } = await bench.run(['machines', name, '--format', 'mermaid']);
    expect(mermaidMistakes(out)).toEqual([]);
    expect(out).toBe(mermaidOf({ [name]: machines[name]! }));
  });

  it('gives all machines in one document', async () => {
    expect(Object.keys((await bench.run(['machines', '--json'])).json<object>())).toEqual(Object.keys(machines));
    expect(mermaidMistakes((await bench.run(['machines', '--format', 'mermaid'])).out)).toEqual([]);
  });

  it('follows the options of a variant', async () => {
    const charts = await Promise.all(
      ['kick', 'kick-and-block'].map((variant) =>
        bench.run(['machines', 'hostThread', '--scenario', 'vmsa-in-use-kick', '--variant', variant]),
      ),
    );
    expect(charts[0]!.out).not.toBe(charts[1]!.out);
  });
});

describe('the check of diagrams', () => {
  it.each([
    ['stateDiagram-v2\n  state "a" as x {\n', 'braces'],
    ['stateDiagram-v2\n  a --> b : x\n', 'declared'],
    ['stateDiagram-v2\n  state "a:b" as x\n', 'line'],
    ['stateDiagram-v2\n  state "a" as x {\n    state "b" as y\n  }\n  state "c" as z\n  y --> z : e\n', 'parents'],
  ])('refuses %j', (text, mistake) => {
    expect(mermaidMistakes(text).join()).toContain(mistake);
  });
});
