/** The house rules that need no more than text: what is banned where, sizes, openings, titles. */
import { describe, expect, it } from 'vitest';
import { codeOf, isScript, lineAt, projectFiles, textOf, withoutComments } from './source.ts';

const FILE_LINES_MAX = 300;
/** Files that may be longer, as each is one thing. An entry that is no longer long has to go. */
const LONG: Readonly<Record<string, string>> = {
  'sim/explore/breadth/explorer.ts':
    'the driver of one search: its second search, where runs end in deadlocks, begins again with all of its tables',
};
/** A scan that sees fewer files than this is broken, and would pass whatever they say. */
const SEEN_MIN = 20;
const PURE = /^(?:actors|events|sim)\//;

/**
 * A pattern that must not occur. `code` looks at neither comments nor strings, `imports` at all but
 * comments, `text` at everything.
 */
interface Ban {
  readonly rule: string;
  readonly where: RegExp;
  readonly except?: RegExp;
  readonly in: 'code' | 'imports' | 'text';
  readonly pattern: RegExp;
}

// A letter in brackets keeps a pattern from matching the line that holds it.
const BANS: readonly Ban[] = [
  { rule: 'randomness comes from sim/prng.ts', where: PURE, in: 'code', pattern: /\bMath\s*\.\s*random\b|\bcrypto\s*\./ },
  { rule: 'node:crypto has no place in a simulation', where: PURE, in: 'imports', pattern: /['"`](?:node:)?crypto['"`]/ },
  {
    rule: 'the world holds no clock',
    where: PURE,
    in: 'code',
    pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\b|\bDate\s*\(|\bperformance\s*\./,
  },
  { rule: 'timers belong to no one here', where: PURE, in: 'code', pattern: /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/ },
  { rule: 'process is for the command line', where: PURE, in: 'code', pattern: /(?<![.\w$#])process\s*(?:\.|\?\.|\[)|\bglobalThis\b/ },
  { rule: 'order and text depend on no locale', where: PURE, in: 'code', pattern: /\blocaleCompare\b|\btoLocale[A-Z]\w*|\bIntl\b/ },
  { rule: 'customRandom belongs to sim/prng.ts', where: /./, except: /^sim\/prng\.ts$/, in: 'code', pattern: /\bcustomRandom\b/ },
  {
    rule: "nanoid's own randomness is not ours",
    where: /^sim\//,
    in: 'imports',
    pattern: /\{(?!\s*customRandom\s*\})[^{}]*\}\s*from\s*['"]nanoid['"]/,
  },
  {
    rule: 'machines only emit',
    where: /^actors\//,
    in: 'code',
    pattern:
      /\b(?:sendTo|sendParent|forwardTo|spawn|spawnChild|invoke|fromPromise|fromCallback|fromObservable|fromEventObservable)\b|\bafter\s*:/,
  },
  {
    rule: 'the name of a vCPU is taken apart by vcpuNamed()',
    where: PURE,
    except: /^sim\/scenario\/fields\.ts$/,
    in: 'text',
    pattern: /\b(?:indexOf|split)\('\/'\)/,
  },
  { rule: 'exports have names', where: /./, except: /^vitest\.config\.ts$/, in: 'code', pattern: /\bexport\s+default\b/ },
  { rule: 'what is left to do is no comment', where: /./, in: 'text', pattern: /\b(?:FIX[M]E|TO[D]O|HA[C]K|X[X]X)\b/ },
  { rule: 'no mark of a merge', where: /./, in: 'text', pattern: /^(?:<{7}|[|]{7}|>{7})(?: |$)/m },
  { rule: 'no path of one machine', where: /./, in: 'text', pattern: /(?<![\w.*])\/(?:home|Users|root|work)\/[\w.]/ },
  {
    rule: 'no registry',
    where: /./,
    in: 'text',
    pattern: /\bregistry\.(?:npm[j]s|yarn[p]kg)\b|https?:\/\/[^\s/"']*(?:regis[t]ry|artifac[t]ory|mirr[o]r)|"resol[v]ed": *"http/,
  },
];

function offences(ban: Ban, file: string, text: string): string[] {
  if (!ban.where.test(file) || ban.except?.test(file)) return [];
  if (ban.in !== 'text' && !isScript(file)) return [];
  const seen = ban.in === 'code' ? codeOf(text) : ban.in === 'imports' ? withoutComments(text) : text;
  const matches = [...seen.matchAll(new RegExp(ban.pattern, `g${ban.pattern.flags}`))];
  return matches.map((match) => `${file}:${lineAt(seen, match.index)} has "${match[0]}"; ${ban.rule}`);
}

const linesOf = (text: string): number => text.replace(/\n$/, '').split('\n').length;

const opensWithDoc = (text: string): boolean => /^(?:#![^\n]*\n)?\/\*\*/.test(text);

/** Lines that are titles (`# …`) outside fenced code. */
function titlesOf(text: string): number[] {
  let fence: string | null = null;
  return text.split('\n').flatMap((line, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === null && mark !== undefined) fence = mark;
    else if (fence !== null && mark?.startsWith(fence)) fence = null;
    return fence === null && /^# /.test(line) ? [index + 1] : [];
  });
}

const files = projectFiles();
const scripts = files.filter(isScript);
const isText = (text: string): boolean => !text.includes('\0');
const texts = new Map(files.map((file) => [file, textOf(file)] as const).filter(([, text]) => isText(text)));

describe('tidiness', () => {
  it('sees the files', () => {
    expect(scripts.length).toBeGreaterThanOrEqual(SEEN_MIN);
    expect(files).toContain('package.json');
  });

  it.each(BANS)('$rule', (ban) => {
    expect([...texts].flatMap(([file, text]) => offences(ban, file, text))).toEqual([]);
  });

  it(`keeps each file within ${FILE_LINES_MAX} lines`, () => {
    const long = scripts.map((file) => ({ file, lines: linesOf(textOf(file)) })).filter(({ lines }) => lines > FILE_LINES_MAX);
    const unlisted = long.filter(({ file }) => !Object.hasOwn(LONG, file));
    expect(unlisted.map(({ file, lines }) => `${file}:${FILE_LINES_MAX + 1} the file has ${lines} lines`)).toEqual([]);
    expect(Object.keys(LONG).filter((file) => !long.some((one) => one.file === file))).toEqual([]);
  });

  it('opens each file with what it is', () => {
    expect(scripts.filter((file) => !opensWithDoc(textOf(file))).map((file) => `${file}:1 opens without a doc comment`)).toEqual([]);
  });

  it('gives each Markdown file one title', () => {
    const wrong = [...texts].filter(([file, text]) => file.endsWith('.md') && titlesOf(text).length !== 1);
    expect(wrong.map(([file, text]) => `${file}:${titlesOf(text)[1] ?? 1} has ${titlesOf(text).length} titles`)).toEqual([]);
  });

  it('names each file of properties in their index', () => {
    const properties = scripts.filter((file) => /^sim\/properties\/[^/]+\.ts$/.test(file) && !file.endsWith('/index.ts'));
    const index = texts.get('sim/properties/index.ts') ?? '';
    const missing = properties.filter((file) => !withoutComments(index).includes(`'./${file.slice('sim/properties/'.length)}'`));
    expect(missing.map((file) => `sim/properties/index.ts:1 does not name ${file}`)).toEqual([]);
  });
});

describe('the check of tidiness', () => {
  const broken = (file: string, text: string): string[] =>
    BANS.filter((ban) => offences(ban, file, text).length > 0).map(({ rule }) => rule);

  it.each([
    ['sim/a.ts', 'const x = Math.random();', 'randomness comes from sim/prng.ts'],
    ['sim/a.ts', "import { createHash } from 'node:crypto';", 'node:crypto has no place in a simulation'],
    ['events/a.ts', 'const at = `${new Date()}`;', 'the world holds no clock'],
    ['events/a.ts', 'const at = `${[{}].map(() => performance.now())}`;', 'the world holds no clock'],
    ['actors/a.ts', 'const x = a / 2; setTimeout(f); // /', 'timers belong to no one here'],
    ['sim/a.ts', "const quote = /'/; process.exit(1); const other = /'/;", 'process is for the command line'],
    ['sim/a.ts', 'names.sort((a, b) => a.localeCompare(b));', 'order and text depend on no locale'],
    ['cli/a.ts', 'const id = customRandom(alphabet, 8, bytes);', 'customRandom belongs to sim/prng.ts'],
    ['sim/prng.ts', "import { customRandom, nanoid } from 'nanoid';", "nanoid's own randomness is not ours"],
    ['actors/a.ts', 'const chart = { after: { 10: "b" } };', 'machines only emit'],
    ['cli/a.ts', 'export default function run() {}', 'exports have names'],
    ['docs/a.md', `${'TO'}${'DO'}: write`, 'what is left to do is no comment'],
    ['docs/a.md', `${'<<<<'}${'<<<'} HEAD`, 'no mark of a merge'],
    ['README.md', `cd ${'/ho'}${'me/ada/checkout'}`, 'no path of one machine'],
    ['package-lock.json', `"${'resol'}${'ved'}": "https://example.org/a.tgz"`, 'no registry'],
  ])('refuses in %s: %s', (file, text, rule) => {
    expect(broken(file, text)).toEqual([rule]);
  });

  it.each([
    ['sim/a.ts', '/** As Math.random would, but seeded. */\nconst text = "the process. setTimeout"; // new Date()'],
    ['sim/a.ts', "const open = 'it\\'s'; const ratio = a / b / c; const names = hostProcess.threads.map((thread) => `${thread.name}'s`);"],
    ['sim/prng.ts', "import { customRandom } from 'nanoid';\nconst id = customRandom('ab', 8, bytes);"],
    ['cli/a.ts', 'process.exitCode = 1;'],
  ])('accepts in %s: %s', (file, text) => {
    expect(broken(file, text)).toEqual([]);
  });

  it('tells a title from a comment in a fence, and an opening from a later comment', () => {
    expect(titlesOf('# One\n```sh\n# not a title\n```\n## Two\n# Three\n')).toEqual([1, 6]);
    expect(opensWithDoc('#!/usr/bin/env node\n/** What it is. */\n')).toBe(true);
    expect(opensWithDoc("import 'x';\n/** Too late. */\n")).toBe(false);
  });
});
