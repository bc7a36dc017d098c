/**
 * What the entry points of the package export, as text: kind, name, signature and the first
 * paragraph of the comment. Made from the declarations that were built, by the compiler.
 *
 * The compiler's own API is still called unstable; its version is locked, and the report is
 * compared by a test.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { API, type Symbol as Declared, type Project } from 'typescript/unstable/sync';

export interface ApiReport {
  /** In Markdown. */
  readonly text: string;
  /** Exports whose comment says nothing, or lacks `@public`: file and name. */
  readonly unpromised: readonly string[];
}

interface Entry {
  /** As it is imported. */
  readonly name: string;
  readonly types: string;
  readonly module: string;
}

/** Of a symbol: another module's. From the compiler's SymbolFlags. */
const ALIAS = 1 << 21;
const CLASS = 1 << 5;
const INTERFACE = 1 << 6;
const TYPE_ALIAS = 1 << 19;

const HEAD = `# What the package exports

Written by \`npm run api\`; a test compares it with what was built. A change here is a change of what is promised, and stands in the changelog. [api.md](api.md) and
[extend.md](extend.md) say how it is used.
`;

function entriesOf(root: string): readonly Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string | { readonly types: string; readonly default: string }>;
  };
  return Object.entries(exports).flatMap(([path, target]) =>
    typeof target === 'string'
      ? []
      : [{ name: path === '.' ? name : `${name}${path.slice(1)}`, types: join(root, target.types), module: join(root, target.default) }],
  );
}

/** A declaration without its comments, bodies and what is private. */
const signatureOf = (text: string): string =>
  text
    .replace(/[ \t]*\/\*\*(?:(?!\*\/)[\s\S])*@internal(?:(?!\*\/)[\s\S])*\*\/\n[^\n]*(?:\{\n[\s\S]*?\n {4}\}|;);?\n/g, '')
    .replace(/[ \t]*\/\*[\s\S]*?\*\/\n?/g, '')
    .replace(/^[ \t]*#private;\n/gm, '')
    .replace(/^export (?:declare )?/gm, '')
    .replace(/^declare /gm, '')
    .replace(/^ +/gm, (spaces) => ' '.repeat(spaces.length / 2))
    .trim();

/** A variable's declaration stands in a list, and does not say that it is a constant. */
const withKind = (signature: string): string =>
  /^(?:(?:abstract )?class|interface|type|function) /.test(signature) ? signature : `const ${signature.replace(/;$/, '')};`;

class Reporter {
  readonly #project: Project;
  readonly #told = new Map<string, string>();
  readonly unpromised: string[] = [];

  constructor(project: Project) {
    this.#project = project;
  }

  async section({ name, types, module }: Entry): Promise<string> {
    const { program, checker } = this.#project;
    const values = new Set(Object.keys((await import(pathToFileURL(module).href)) as object));
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(types)!)!);
    const lines = [...symbols]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((symbol) => [symbol.name, symbol.flags & ALIAS ? checker.getAliasedSymbol(symbol) : symbol] as const)
      // A value that is exported as a type is none of either.
      .filter(([as, symbol]) => values.has(as) || (symbol.flags & (CLASS | INTERFACE | TYPE_ALIAS)) !== 0)
      .map(([as, symbol]) => this.#entry(name, as, symbol));
    return `\n## ${name}\n\n\`\`\`ts\n${lines.join('\n')}\`\`\`\n`;
  }

  #entry(entryPoint: string, as: string, symbol: Declared): string {
    const { checker } = this.#project;
    const [first] = symbol.declarations ?? [];
    const place = `${first?.path ?? ''} ${symbol.name}`;
    const told = this.#told.get(place);
    if (told !== undefined) return `// ${as}: as in ${told}\n`;
    this.#told.set(place, entryPoint);
    // What mechanisms add to an interface stands in their files. Overloads stand beside each other.
    const own = (symbol.declarations ?? []).filter(({ path }) => path === first?.path);
    const signatures = own.map((handle) => withKind(signatureOf(handle.resolve(this.#project)?.getText() ?? '')));
    const [said = ''] = symbol.getDocumentationComment(checker).split(/\n\s*\n/);
    const doc = said.replace(/\s+/g, ' ').trim();
    const isPublic = symbol.getJsDocTags(checker).some(({ name }) => name === 'public');
    if (doc === '' || !isPublic) this.unpromised.push(place.replace(/^.*\/dist\//, ''));
    const alias = as === symbol.name ? '' : `// ${as}, which its file calls ${symbol.name}\n`;
    return `${alias}${doc === '' ? '' : `/** ${doc} */\n`}${[...new Set(signatures)].join('\n')}\n`;
  }
}

/** The report on what was built below `root`. */
export async function apiReport(root: string): Promise<ApiReport> {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-api-'));
  const config = join(folder, 'tsconfig.json');
  const entries = entriesOf(root);
  const compilerOptions = { module: 'NodeNext', target: 'ES2023', strict: true, skipLibCheck: true, types: [], noEmit: true };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: entries.map(({ types }) => types) }));
  const api = new API();
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)!;
    const reporter = new Reporter(project);
    let text = HEAD;
    for (const entry of entries) text += await reporter.section(entry);
    return { text, unpromised: reporter.unpromised };
  } finally {
    api.close();
    rmSync(folder, { recursive: true });
  }
}
