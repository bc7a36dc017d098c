/**
 * The pages of the kit: every module and every scenario in them is written to a folder and every
 * command is run there, page by page from the top; what a command prints is what stands below it.
 *
 * A block of `js` begins with `// NAME.js`, one of `yaml` with `# NAME.yaml`. A block of `sh` holds
 * commands; the `text` block behind it is what they print, where `…` stands for anything that is
 * left out. What makes a project stands in `bash`, and is not run. WORLDSWITCH_DOCS=write puts what
 * is printed into the pages where it differs.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Scenario } from '../../../sim/scenario/types.ts';
import { Bench } from '../../cli/run-cli.ts';
import { projectFiles } from '../../house/source.ts';

interface Block {
  readonly language: 'js' | 'yaml' | 'sh';
  readonly text: string;
  /** The `text` block right behind it; null where there is none. */
  readonly output: string | null;
  readonly line: number;
}

const BLOCK = /^```(?<language>js|yaml|sh)\n(?<text>[\s\S]*?)^```\n(?:\n```text\n(?<output>[\s\S]*?)^```\n)?/gm;

const blocksOf = (page: string): readonly Block[] =>
  [...page.matchAll(BLOCK)].map(({ index, groups }) => {
    const { language, text, output } = groups as { language: Block['language']; text: string; output?: string };
    return { language, text, output: output ?? null, line: page.slice(0, index).split('\n').length };
  });

/** What a block is called as a file. @throws Error if its first line does not say it */
function nameOf({ language, text, line }: Block): string {
  const [, name] = (language === 'js' ? /^\/\/ ([\w-]+\.js)\n/ : /^# ([\w-]+\.yaml)\n/).exec(text) ?? [];
  if (name === undefined)
    throw new Error(`line ${line}: found a ${language} block without a name; expected a first line such as // NAME.js`);
  return name;
}

/** A module of a page imports the package; here it gets the sources. */
const fromSources = (text: string): string =>
  text.replaceAll(/from 'worldswitch(?:\/(\w+))?'/g, (_all, entry = 'index') => `from '${pathToFileURL(`api/${entry}.ts`).href}'`);

/** Names of journals follow the bytes of the module. */
const JOURNAL = /[0-9a-f]{32}(?=\.wsj)/g;
const shownAs = (output: string): RegExp =>
  new RegExp(
    `^${output
      .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll(/\n…\n/g, '\n(?:[\\s\\S]*\\n)?')
      .replaceAll('…', '[^\\n]*')}$`,
  );

/** The arguments of a command line, without quotes; a star stands for all journals of a folder. */
const argumentsOf = (bench: Bench, command: string): readonly string[] =>
  command
    .replace(/^npx worldswitch /, '')
    .split(/ +/)
    .flatMap((argument) => {
      const [, folder] = /^([\w-]+)\/\*\.wsj$/.exec(argument) ?? [];
      return folder === undefined ? argument : readdirSync(bench.path(folder)).map((file) => `${folder}/${file}`);
    });

/** Carries a block out. @returns what it printed; null if it is a file */
async function tried(bench: Bench, block: Block): Promise<string | null> {
  if (block.language !== 'sh') {
    writeFileSync(bench.path(nameOf(block)), fromSources(block.text));
    return null;
  }
  let printed = '';
  for (const command of block.text.trimEnd().split('\n')) {
    if (!command.startsWith('npx worldswitch ')) throw new Error(`line ${block.line}: found ${command}; expected npx worldswitch …`);
    const { out, err } = await bench.run(argumentsOf(bench, command));
    printed += out + err;
  }
  return printed.replaceAll(JOURNAL, '…');
}

const COOKBOOK = 'docs/cookbook.md';
const pages = projectFiles().filter((file) => /^docs\/kit(?:\/[\w-]+)?\.md$/.test(file));
/** The bugs of the cookbook are files: they lie in the folder where its commands run. */
const bugs = projectFiles().filter((file) => /^examples\/bugs\/.*\.(?:js|yaml)$/.test(file));

function layOut(bench: Bench): void {
  for (const file of bugs) {
    mkdirSync(dirname(bench.path(file)), { recursive: true });
    writeFileSync(bench.path(file), fromSources(readFileSync(file, 'utf8')));
  }
}

/** Carries blocks out, one after the other, in a folder of their own. */
async function run(file: string, blocks: readonly Block[]): Promise<void> {
  const bench = new Bench();
  const page = readFileSync(file, 'utf8');
  let written = page;
  try {
    writeFileSync(bench.path('package.json'), '{ "type": "module" }');
    if (file === COOKBOOK) layOut(bench);
    for (const block of blocks) {
      const printed = await tried(bench, block);
      if (printed === null) continue;
      if (block.output === null) throw new Error(`line ${block.line}: expected a text block behind the commands, with what they print`);
      if (process.env.WORLDSWITCH_DOCS !== 'write') expect(printed, `${file}:${block.line}`).toMatch(shownAs(block.output));
      else if (!shownAs(block.output).test(printed)) {
        const shown = (output: string): string => `${block.text}\`\`\`\n\n\`\`\`text\n${output}\`\`\`\n`;
        written = written.replace(shown(block.output), () => shown(printed));
      }
    }
  } finally {
    bench.clear();
  }
  if (written !== page) writeFileSync(file, written);
}

describe('the pages of the kit', () => {
  it('are found', () => expect(pages).toContain('docs/kit.md'));

  it.each(pages)('%s runs as it stands there', async (file) => {
    const blocks = blocksOf(readFileSync(file, 'utf8'));
    expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(['js', 'yaml', 'sh']));
    await run(file, blocks);
  });
});

describe('a bug of the cookbook', () => {
  const modules = bugs.filter((file) => file.endsWith('.js'));
  const commands = blocksOf(readFileSync(COOKBOOK, 'utf8')).map((block) => [block.text.trim(), block] as const);

  it.each(commands)('prints as it stands there: %s', async (_command, block) => run(COOKBOOK, [block]));
  const codeOf = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1);

  it.each(modules)('%s has under 46 lines, and no XState', (file) => {
    expect(codeOf(file).length).toBeLessThan(46);
    expect(codeOf(file).join('\n')).not.toMatch(/xstate|setup\(|createMachine/);
  });
  it.each(modules)('%s stands in the table of README.md, with its source, command and verdicts', (file) => {
    const [source] = /(?<=@see )[\s\S]*?(?=\n \*\/)/.exec(readFileSync(file, 'utf8'))!;
    const { expect: expected = {} } = parse(readFileSync(file.replace(/js$/, 'yaml'), 'utf8')) as Partial<Scenario>;
    const verdicts = Object.entries(expected).map(([variant, one]) => `\`${variant}\`: ${one === 'clean' ? one : one.violates.join(', ')}`);
    const row = readFileSync('examples/bugs/README.md', 'utf8')
      .split('\n')
      .find((line) => line.includes(`--models ${file}\``));
    expect(row?.split(' | ').slice(1)).toEqual([
      source.replaceAll(/\s*\n \* ?/g, ' '),
      `\`npx worldswitch compare ./${file.replace(/js$/, 'yaml')} --models ${file}\``,
      `${verdicts.join('; ')} |`,
    ]);
  });
  it('stands in the cookbook, each of them', () => {
    const page = readFileSync(COOKBOOK, 'utf8');
    expect(modules.filter((file) => !page.includes(`--models ${file}\n`))).toEqual([]);
  });
});

describe('a page', () => {
  it('says how its files are called', () => {
    const [js, yaml] = blocksOf('```js\n// a-b.js\nx\n```\n\n```yaml\nname: a\n```\n') as [Block, Block];
    expect(nameOf(js)).toBe('a-b.js');
    expect(() => nameOf(yaml)).toThrow('line 6: found a yaml block without a name');
  });
  it('leaves out what it marks, and nothing else', () => {
    expect('a\nb\nc\n').toMatch(shownAs('a\n…\nc\n'));
    expect('a\nc\n').toMatch(shownAs('a\n…\nc\n'));
    expect('a 1 b\n').toMatch(shownAs('a … b\n'));
    expect('a\nb\nc\n').not.toMatch(shownAs('a\nc\n'));
    expect('a\nb\nc\nd\n').not.toMatch(shownAs('a\n…\nc\n'));
    expect('a.b\n').not.toMatch(shownAs('a b\n'));
    expect('aXb\n').not.toMatch(shownAs('a.b\n'));
  });
});
