/** The files of a folder that `new race` makes: a race that runs, in the place of your own. */
import type { Arch } from '../sim/scenario/types.ts';

export interface RaceSpec {
  readonly name: string;
  readonly arch: Arch;
  /** What the folder asks for: a version of the package, or where a checkout is. */
  readonly dependency: string;
}

/** Versions that the package itself is tested with. */
const DEV = { '@types/node': '20.19.43', typescript: '7.0.2', vitest: '4.1.11' };

/** An import of the folder, which is none of this program. */
const imported = (names: string | null, file: string): string =>
  ['import', ...(names === null ? [] : [names, 'from']), `'${file}';`].join(' ');

const moduleText = ({ name, arch }: RaceSpec): string => `/**
 * ${name}: two threads add one to one counter. Replace it by a race of your own; README.md says how.
 *
 * @see the commit, the mail or the manual that the race comes from
 */
${imported('{ cell, holds, local, race, syscall }', 'worldswitch/kit')}

/** What the threads share; \`calls\` is for the property alone. */
const counter = cell('counter', { value: 0, calls: 0 });
const value = local('value');

/** Each item is one moment: between two of them another CPU gets in. */
const WAYS = {
  broken: [counter.load('value', value), counter.store('value', (_thread, locals) => Number(value.of(locals)) + 1)],
  fixed: [counter.addReturn('value', 1)],
};

export const mechanism = race({
  name: '${name}',
  arches: ['${arch}'],
  options: { '${name}.way': ['broken', 'fixed'] },
  uses: [counter],
  operations: {
    '${name}-add': {
      summary: 'Adds one to the counter, in an ioctl.',
      source: 'an example: the function that does it, and the version of its kernel',
      does: ({ options }) =>
        syscall('ioctl', 'fs/ioctl.c, ioctl(), 6.12', [...WAYS[options['${name}.way']], counter.addReturn('calls', 1)]),
    },
  },
  properties: [
    holds(counter, '${name}.counts-each', 'an example: what says that it has to hold', ({ value, calls }) =>
      value < calls ? \`\${calls} calls have counted to \${value}\` : null,
    ),
  ],
});
`;

const scenarioText = ({ name, arch }: RaceSpec): string => `# yaml-language-server: $schema=scenario.schema.json
# Two threads of a VMM add one to one counter. A load and a store are two moments: one addition can be lost.
name: ${name}
summary: Two threads add one to one counter
host: { arch: ${arch}, cpus: 2 }
processes:
  vmm: { threads: [[{ ${name}-add: {} }], [{ ${name}-add: {} }]] }
variants:
  broken: { ${name}.way: broken }
  fixed: { ${name}.way: fixed }
properties:
  always: [${name}.counts-each]
expect:
  broken: { violates: [${name}.counts-each] }
  fixed: clean
`;

const testText = ({ name }: RaceSpec): string => `/** What each variant does, over all schedules. */
${imported('{ describe, expect, it }', 'vitest')}
${imported(null, 'worldswitch/vitest')}
${imported('* as race', `./${name}.js`)}

const SCENARIO = './${name}.yaml';
const models = { './${name}.js': race };

describe('${name}', { timeout: 60_000 }, () => {
  it('loses an addition where it loads and stores', () => {
    expect(SCENARIO).toBreak('${name}.counts-each', { variant: 'broken', models });
  });

  it('loses none where it adds in one step', () => {
    expect(SCENARIO).toBeClean({ variant: 'fixed', models });
  });
});
`;

const optionsText = ({ name }: RaceSpec): string => `/** For the compiler: the options that the module adds. */
${imported(null, 'worldswitch/extend')}

declare module 'worldswitch/extend' {
  interface MechanismOptions {
    readonly '${name}.way': 'broken' | 'fixed';
  }
}
`;

const JSCONFIG = {
  compilerOptions: {
    target: 'ES2023',
    lib: ['ES2023'],
    module: 'NodeNext',
    types: ['node'],
    allowJs: true,
    checkJs: true,
    strict: true,
    skipLibCheck: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  },
  include: ['*.js', '*.d.ts'],
};

const manifestOf = ({ name, dependency }: RaceSpec): object => ({
  name,
  version: '0.0.0',
  private: true,
  type: 'module',
  scripts: {
    compare: `worldswitch compare ./${name}.yaml --models ${name}.js`,
    check: 'tsc --project jsconfig.json',
    test: 'vitest run',
    schema: `worldswitch schema --models ${name}.js > scenario.schema.json`,
  },
  dependencies: { worldswitch: dependency },
  devDependencies: DEV,
});

const readmeText = ({ name }: RaceSpec): string => `# ${name}

\`\`\`sh
npm install
npm run compare
npm test
\`\`\`

\`npm run compare\` searches every schedule of every variant; one of the two is broken. Why:

\`\`\`sh
npx worldswitch explore ./${name}.yaml --variant broken --models ${name}.js -o out
npx worldswitch show out/*.wsj --explain --models ${name}.js
\`\`\`

| File | |
| --- | --- |
| \`${name}.js\` | the race: shared memory, what each variant does with it, what must hold |
| \`${name}.yaml\` | the scenario: the host, its threads, the variants, what is expected of them |
| \`${name}.test.js\` | the same as a test |
| \`options.d.ts\`, \`jsconfig.json\` | types for the editor; \`npm run check\` |
| \`scenario.schema.json\` | what the editor knows of the scenario; \`npm run schema\` makes it again when operations or options change |

To make it your own: name the state that is shared (\`cell\`, \`mutex\`, \`spinlock\` of
\`worldswitch/kit\`), write each design as a list of steps under its name in \`WAYS\`, say in
\`properties\` what must hold, and put the designs under \`variants\`. The package has the pages
\`docs/kit.md\` (primitives), \`docs/extend.md\` (paths of the kernel, and all that a module may bring),
\`docs/scenarios.md\` and \`docs/explore.md\` (what a verdict covers, and what not).
`;

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/** Each file by its name. */
export const raceFiles = (spec: RaceSpec): Readonly<Record<string, string>> => ({
  'README.md': readmeText(spec),
  'jsconfig.json': json(JSCONFIG),
  'options.d.ts': optionsText(spec),
  'package.json': json(manifestOf(spec)),
  [`${spec.name}.js`]: moduleText(spec),
  [`${spec.name}.test.js`]: testText(spec),
  [`${spec.name}.yaml`]: scenarioText(spec),
});
