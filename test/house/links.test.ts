/** Every link of a Markdown file to a file of the project, or to a heading, leads somewhere. */
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, linksOf } from './markdown.ts';
import { projectFiles, textOf } from './source.ts';

/** A scan that sees fewer pages or links than this is broken, and would pass whatever they say. */
const PAGES_MIN = 30;
const LINKS_MIN = 200;

const files = projectFiles();
const pages = new Map(files.filter((file) => file.endsWith('.md')).map((file) => [file, textOf(file)] as const));
const folders = new Set(files.flatMap((file) => foldersOf(file)));

function foldersOf(file: string): readonly string[] {
  const folder = posix.dirname(file);
  return folder === '.' ? [] : [folder, ...foldersOf(folder)];
}

const isOutside = (target: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(target);

/** What is wrong with one link; null where it leads somewhere. */
function wrongOf(page: string, target: string, all: ReadonlyMap<string, string>, others: (path: string) => boolean): string | null {
  if (isOutside(target)) return null;
  const [path, anchor] = target.split('#') as [string, string | undefined];
  const file = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), decodeURIComponent(path))).replace(/\/$/, '');
  if (file.startsWith('../')) return 'leads out of the project';
  const text = all.get(file);
  if (text === undefined) {
    if (!others(file)) return 'no such file';
    return anchor === undefined ? null : 'an anchor in a file without headings';
  }
  return anchor === undefined || anchorsOf(text).includes(decodeURIComponent(anchor)) ? null : `${file} has no such heading`;
}

const wrongLinks = (all: ReadonlyMap<string, string>, others: (path: string) => boolean): readonly string[] =>
  [...all].flatMap(([page, text]) =>
    linksOf(text).flatMap(({ line, target }) => {
      const wrong = wrongOf(page, target, all, others);
      return wrong === null ? [] : [`${page}:${line} ${target}: ${wrong}`];
    }),
  );

describe('links of documents', () => {
  it('are seen', () => {
    expect(pages.size).toBeGreaterThanOrEqual(PAGES_MIN);
    expect([...pages.values()].flatMap(linksOf).filter(({ target }) => !isOutside(target)).length).toBeGreaterThanOrEqual(LINKS_MIN);
  });

  it('lead to files and headings that exist', () => {
    expect(wrongLinks(pages, (path) => files.includes(path) || folders.has(path))).toEqual([]);
  });
});

describe('the check of links', () => {
  const page = '# A `b` c, d!\n\n## Same\n\n## Same\n\n```md\n# Not one\n[x](none.md)\n```\n\n`[x](none.md)`\n\n';
  const broken = (links: string): readonly string[] =>
    wrongLinks(
      new Map([
        ['docs/a.md', page + links],
        ['b.md', '# B\n'],
      ]),
      (path) => path === 'docs' || path === 'LICENSE',
    );

  it.each(['#a-b-c-d', '#same', '#same-1', 'a.md#same', '../b.md#b', '../LICENSE', '../docs/', 'https://example.org/none.md#none'])(
    'takes %s',
    (target) => {
      expect(broken(`[x](${target})`)).toEqual([]);
      expect(broken(`[x]: ${target}`)).toEqual([]);
    },
  );

  it.each(['#not-one', '#same-2', 'none.md', '../b.md#c', 'b.md', '../../b.md', '../LICENSE#terms'])('refuses %s', (target) => {
    expect(broken(`text [over\ntwo lines](${target}) goes on`)).toHaveLength(1);
    expect(broken(`| [in a table](${target}) |`)).toHaveLength(1);
    expect(broken(`[x]: ${target}`)).toHaveLength(1);
  });

  it('names the page and the line', () => {
    expect(broken('first\n[x](none.md)')).toEqual(['docs/a.md:15 none.md: no such file']);
  });
});
