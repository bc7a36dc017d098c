/**
 * No circle of imports among the files of the product, not even of types: each file can be read,
 * and moved, below those that use it.
 */
import { describe, expect, it } from 'vitest';
import { importsOf, isScript, projectFiles, textOf } from './source.ts';

const PRODUCT = /^(?:events|actors|sim|replay|timeline|cli|api)\//;
/**
 * A scan that sees fewer files or imports than this is broken, and would pass whatever they say.
 */
const SEEN_MIN = 100;

type Graph = ReadonlyMap<string, readonly string[]>;

/** What each file imports of the others, types among it. */
function graphOf(texts: ReadonlyMap<string, string>): Graph {
  const imported = (file: string, text: string): string[] => importsOf(file, text).flatMap(({ to }) => (texts.has(to) ? [to] : []));
  return new Map([...texts].map(([file, text]) => [file, [...new Set(imported(file, text))].sort()]));
}

/** The shortest way from a file back to itself; null if there is none. */
function circleFrom(start: string, graph: Graph): readonly string[] | null {
  const ways = new Map<string, readonly string[]>([[start, [start]]]);
  for (const [file, way] of ways) {
    for (const to of graph.get(file) ?? []) {
      if (to === start) return [...way, to];
      if (!ways.has(to)) ways.set(to, [...way, to]);
    }
  }
  return null;
}

/** The shortest circle through each file that lies in one; two files of one circle tell it once. */
function circlesOf(graph: Graph): string[] {
  const circles = new Map<string, string>();
  for (const file of graph.keys()) {
    const circle = circleFrom(file, graph);
    const key = [...new Set(circle)].sort().join();
    if (circle && !circles.has(key)) circles.set(key, circle.join(' -> '));
  }
  return [...circles.values()];
}

const files = projectFiles().filter((file) => isScript(file) && PRODUCT.test(file));
const graph = graphOf(new Map(files.map((file) => [file, textOf(file)])));

describe('imports among files', () => {
  it('are seen', () => {
    expect(graph.size).toBeGreaterThanOrEqual(SEEN_MIN);
    expect([...graph.values()].flat().length).toBeGreaterThanOrEqual(SEEN_MIN);
  });

  it('lead back to no file', () => {
    expect(circlesOf(graph)).toEqual([]);
  });
});

describe('the check of circles', () => {
  const circles = (texts: Readonly<Record<string, string>>): string[] => circlesOf(graphOf(new Map(Object.entries(texts))));

  it('finds a circle of types', () => {
    const texts = { 'sim/a.ts': "import type { B } from './b.ts';", 'sim/b.ts': "export type { A } from './a.ts';" };
    expect(circles(texts)).toEqual(['sim/a.ts -> sim/b.ts -> sim/a.ts']);
  });

  it('finds a file that imports itself', () => {
    expect(circles({ 'sim/a.ts': "import type { A } from './a.ts';" })).toEqual(['sim/a.ts -> sim/a.ts']);
  });

  it('finds a circle through an import in the middle of code', () => {
    const texts = { 'cli/a.ts': "const b = await import('../sim/b.ts');", 'sim/b.ts': "import { c } from './c.ts';" };
    expect(circles({ ...texts, 'sim/c.ts': "import { a } from '../cli/a.ts';" })).toEqual(['cli/a.ts -> sim/b.ts -> sim/c.ts -> cli/a.ts']);
  });

  it('finds none where two files import a third', () => {
    const texts = { 'sim/a.ts': "import { c } from './c.ts';", 'sim/b.ts': "import { c } from './c.ts';\nimport { a } from './a.ts';" };
    expect(circles({ ...texts, 'sim/c.ts': "// import { a } from './a.ts';" })).toEqual([]);
  });
});
