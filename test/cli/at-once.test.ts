/**
 * Several properties that break at once: each violation of a search has a journal that tells it
 * first, and the others beside it.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { offering, oneActor } from './own-models.ts';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const CYCLE = `{
  s: { ${offering('exec')}, on: { exec: 't' } },
  t: { ${offering('exec')}, on: { exec: 'u' } },
  u: { ${offering('exec')}, on: { exec: 't' } },
}`;
const of = "kind: 'a', source: 'a test', grade: 'decision'";
const PROPERTIES = `[
  ...['one', 'two'].map((name) => alwaysEach('at.' + name, { ${of}, each: ({ value }) => (value === 'u' ? name + ' breaks' : null) })),
  leavesEach('at.leaves', { ${of}, each: ({ value }) => (value === 's' ? null : 'it stays') }),
  endlessly('at.turns', { source: 'a test', grade: 'decision', cycle: () => 'it turns' }),
]`;
writeFileSync(
  bench.path('at.mjs'),
  `import { endlessly, leavesEach } from ${JSON.stringify(pathToFileURL('sim/property.ts').href)};
${moduleOf('at', `models: [{ name: 'at', properties: ${PROPERTIES}, topology: () => (${oneActor(CYCLE, "{ exec: 'offer', irq: 'bus' }")}) }]`)}`,
);

interface Told {
  readonly property: string;
  readonly message: string;
  readonly journal: string;
  readonly also?: readonly { readonly property: string }[];
}

describe('two properties that break at once', () => {
  it.each([
    ['always', ['at.one', 'at.two']],
    ['eventually', ['at.leaves', 'at.turns']],
  ])('%s: have a journal each, which tells its own first, in every command', async (form, both) => {
    writeFileSync(
      bench.path('at.yaml'),
      `name: at\nsummary: s\nmodel: at\nhost: { arch: amd }\nproperties: { ${form}: [${both.join()}] }\n`,
    );
    const models = ['--models', 'at.mjs'];
    const { violations } = (await bench.run(['explore', './at.yaml', ...models, '--json'])).json<{
      readonly violations: readonly Told[];
    }>();
    expect(violations.map(({ property }) => property)).toEqual(both);
    expect(new Set(violations.map(({ journal }) => journal)).size).toBe(2);
    for (const { property, message, journal } of violations) {
      const also = both.filter((other) => other !== property);
      const told = { property, message, also: [{ property: also[0] }] };
      const replay = await bench.run(['replay', journal, ...models, '--json']);
      expect([replay.code, replay.json()]).toMatchObject([0, { identical: true, violation: told }]);
      expect((await bench.run(['replay', journal, ...models])).out).toContain(`and ${also[0]}: `);
      const show = await bench.run(['show', journal, '--explain', ...models]);
      expect(show.out).toMatch(new RegExp(`^${property} broke at step \\d+\n  ${message}\n  and ${also[0]}: `));
      expect(show.out).toContain(`violation?.also ?? [])].map((one) => one?.property)).not.toContain('${property}')`);
      const shrunk = (await bench.run(['shrink', journal, ...models, '--json'])).json<{ readonly journal: string }>();
      expect(shrunk).toMatchObject({ property });
      expect((await bench.run(['replay', shrunk.journal, ...models, '--json'])).json()).toMatchObject({ violation: { property } });
    }
  });
});
