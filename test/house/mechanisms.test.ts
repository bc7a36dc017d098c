/** What a mechanism is made of, and that nobody else knows it: outside its own files at most two name it or import from them. */
import { describe, expect, it } from 'vitest';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { codeOf, importsOf, isScript, literalsOf, projectFiles, textOf } from './source.ts';

interface Owned {
  /** Files, or folders with a slash at the end; a star stands for a part of a name. */
  readonly files: readonly string[];
  /** How it is called, in names as `wordsOf` has them. */
  readonly words: RegExp;
  /** The files of others that name it. */
  readonly namedIn: readonly string[];
}

const OUTSIDE_MAX = 2;
const INDEX = 'sim/mechanisms/index.ts';

/** By the name of the mechanism. Its tests, scenarios and documents are its own as well; they are no part of what is looked at here. */
const MECHANISMS: Readonly<Record<string, Owned>> = {
  'sev-snp': {
    files: ['sim/mechanisms/sev-snp/', 'actors/sev-snp/', 'events/sev-snp/', 'timeline/mechanisms/sev-snp.ts'],
    words: /\b(?:rmp|snp|psp|vmsa|pvalidate)|\bsev\b/,
    namedIn: [INDEX, 'timeline/mechanisms/shipped.ts'],
  },
  'split-lock': {
    files: ['sim/mechanisms/split-lock/', 'actors/split-lock/', 'events/split-lock/'],
    words: /\b(?:sld|split-lock|split-line|splitlock|test-ctrl|vmx|kworker|workqueue|buslock|bus-lock)/,
    namedIn: [INDEX],
  },
  'os-lock': {
    files: ['sim/mechanisms/os-lock/', 'actors/os-lock/', 'events/os-lock/'],
    words: /\b(?:os-lock|oslock|oslar|oslsr|osdlr|mdscr|mdcr|arm-debug|arm-vcpu|pkvm)/,
    namedIn: [INDEX],
  },
};

const PRODUCT = /^(?:events|actors|sim|replay|timeline|cli)\//;
/** A scan that sees fewer files than this is broken, and would pass whatever they say. */
const SEEN_MIN = 200;

const files = projectFiles().filter((file) => isScript(file) && PRODUCT.test(file));
const scenarios = projectFiles().flatMap((file) => /^scenarios\/([a-z0-9-]+)\.yaml$/.exec(file)?.[1] ?? []);

const owns = (pattern: string, file: string): boolean =>
  pattern.endsWith('/') ? file.startsWith(pattern) : new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(file);
const isOwn = ({ files: patterns }: Pick<Owned, 'files'>, file: string): boolean => patterns.some((pattern) => owns(pattern, file));

/** `rmpRegion`, `RMP_EVENTS` and `rmp.lock` as `rmp-region`, `rmp-events` and `rmp-lock`. */
const wordsOf = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .toLowerCase();

/** A text of several words is for people and names what it likes, and so does an example of a scenario. */
const isProse = (literal: string): boolean => /\s/.test(literal) || scenarios.includes(literal);

/** Names in code: identifiers, and strings that are one word. Comments do not count. */
const namesIn = (text: string): string[] => [
  ...[...codeOf(text).matchAll(/[A-Za-z_$][\w$]*/g)].map(([name]) => name),
  ...literalsOf(text).filter((literal) => !isProse(literal)),
];

/** Why a file knows the mechanism: names, and imports of its files. */
function reasons(owned: Pick<Owned, 'files' | 'words'>, file: string, text: string): string[] {
  const named = namesIn(text).filter((name) => owned.words.test(wordsOf(name)));
  const imported = importsOf(file, text).flatMap(({ to }) => (isOwn(owned, to) ? [to] : []));
  return [...new Set([...named, ...imported])];
}

describe.each(Object.entries(MECHANISMS))('the mechanism %s', (_name, owned) => {
  it('has the files that are listed as its own', () => {
    expect(owned.files.filter((pattern) => !files.some((file) => owns(pattern, file)))).toEqual([]);
  });

  it(`is known to no more than ${OUTSIDE_MAX} files besides its own`, () => {
    const outside = files.filter((file) => !isOwn(owned, file));
    const found = Object.fromEntries(
      outside.map((file) => [file, reasons(owned, file, textOf(file))] as const).filter(([, why]) => why.length > 0),
    );
    expect(found).toEqual(Object.fromEntries(owned.namedIn.map((file) => [file, found[file] ?? 'expected to name it'])));
    expect(owned.namedIn.length).toBeLessThanOrEqual(OUTSIDE_MAX);
  });
});

describe('the list of mechanisms', () => {
  it('has every one that is shipped, with the folder of its name', () => {
    expect(Object.keys(MECHANISMS)).toEqual(SHIPPED_MECHANISMS.map(({ name }) => name));
    for (const [name, { files: own }] of Object.entries(MECHANISMS)) expect(own).toContain(`sim/mechanisms/${name}/`);
  });

  it('gives no file to two of them', () => {
    expect(files.length).toBeGreaterThanOrEqual(SEEN_MIN);
    const shared = files.filter((file) => Object.values(MECHANISMS).filter((owned) => isOwn(owned, file)).length > 1);
    expect(shared).toEqual([]);
  });
});

describe('the check of mechanisms', () => {
  const { 'sev-snp': snp, 'split-lock': sld } = MECHANISMS as Record<'sev-snp' | 'split-lock', Owned>;

  it.each([
    [snp, 'actors/host/pcpu.ts', "const irr = ['psp'];"],
    [snp, 'actors/host/pcpu.ts', 'const pspWaiter = null;'],
    [snp, 'sim/host/topology.ts', "import { regionOf } from '../../events/sev-snp/rmp.ts';"],
    [snp, 'sim/host/topology.ts', 'const id = `rmp:0x${pfn}`;'],
    [snp, 'sim/host/topology.ts', 'const toRmp = RMP_EVENTS;'],
    [snp, 'sim/scenario/schema.ts', "const types = z.enum(['snp']);"],
    [snp, 'sim/scenario/types.ts', 'interface ResolvedVm { readonly asid: number }'],
    [sld, 'actors/host/pcpu.ts', "import { coreMachine } from '../split-lock/core.ts';"],
    [sld, 'actors/host/pcpu.ts', "const flag = options['host.sldFlag'];"],
  ])('%# sees that a file knows one', (owned, file, text) => {
    expect(reasons(owned, file, text)).not.toEqual([]);
  });

  it.each([
    [snp, 'actors/host/pcpu.ts', '/** As the RMP has it. */ const several = 1; // rmp'],
    [snp, 'cli/run.ts', "const examples = ['run rmp-host-write-race', 'one run'];"],
    [snp, 'cli/demo.ts', "const SCENARIO = 'rmp-host-write-race';"],
    [snp, 'sim/host/outcomes.ts', 'const title = `${count} entries of the RMP`;'],
    [sld, 'actors/host/pcpu.ts', "import { host } from './host-env.ts';"],
  ])('%# passes what is a comment, a text for people, or the name of a scenario', (owned, file, text) => {
    expect(reasons(owned, file, text)).toEqual([]);
  });
});
