/**
 * Models of a user's own as text: one actor `a:0`, or whatever topology is given, with a scenario
 * for it.
 */
import { writeFileSync } from 'node:fs';
import { moduleOf } from './own-modules.ts';
import type { Bench } from './run-cli.ts';

/** A topology of the actor `a:0`; its machine starts in `s`. */
export const oneActor = (states: string, catalogue: string, rest = ''): string => `{
  actors: [{ id: 'a:0', kind: 'a', input: null }],
  catalogue: ${catalogue},
  machines: { a: setup({ actions: { self: emit(() => outgoing('a:0', { type: 'irq' })) } })
    .createMachine({ id: 'a', context: { n: 0 }, initial: 's', states: ${states} }) },
  ${rest}
}`;

/** A state that offers events, each of them owed. */
export const offering = (...types: readonly string[]): string =>
  `meta: { offers: () => [${types.map((type) => `{ type: '${type}', owed: true }`).join(', ')}] }`;

let files = 0;
/**
 * Writes a model and a scenario for it.
 * @returns the operands that name both; every module is a file of its own, as Node imports it once
 */
export function writeModel(bench: Bench, topology: string, scenario = 'expect: { default: clean }', properties = '[]'): string[] {
  const name = `own-${files++}`;
  const body = `models: [{ name: '${name}', properties: ${properties}, topology: () => (${topology}) }]`;
  writeFileSync(bench.path(`${name}.mjs`), moduleOf(name, body));
  writeFileSync(bench.path(`${name}.yaml`), `name: ${name}\nsummary: s\nmodel: ${name}\nhost: { arch: amd }\n${scenario}\n`);
  return [`./${name}.yaml`, '--models', `${name}.mjs`];
}
