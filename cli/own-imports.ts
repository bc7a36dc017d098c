/**
 * A module of the user's own imports `worldswitch/…`, `xstate` and `zod`. Where no such package is
 * installed beside it, the import gets the running program and what that has, so that a patch in a
 * folder of its own needs no project around it.
 */
import * as nodeModule from 'node:module';

/**
 * A module inside the package: imports of `worldswitch` that are no entry points are resolved from
 * here.
 */
const HERE = import.meta.url;

/** The entry points, as modules of the running program: it may run from its sources. */
export const ENTRIES: Readonly<Record<string, string>> = Object.fromEntries(
  ['index', 'extend', 'kit', 'journal', 'timeline'].map((name) => [
    name === 'index' ? 'worldswitch' : `worldswitch/${name}`,
    new URL(`../api/${name}${HERE.slice(HERE.lastIndexOf('.'))}`, HERE).href,
  ]),
);

/** The package, and the two that a module shares with it: there is one copy of each. */
const OURS = /^(?:worldswitch|xstate|zod)(?:\/|$)/;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND');

/**
 * The same for Node 20, whose hooks run on a thread of their own and so are a module of their own.
 */
const HOOKS = `
let here;
let entries;
export function initialize(data) { ({ here, entries } = data); }
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!${OURS}.test(specifier) || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return next(entries[specifier] ?? specifier, { ...context, parentURL: here });
  }
}`;

interface Context {
  readonly parentURL?: string;
}
type Resolve = (specifier: string, context: Context) => unknown;
/** The hooks of newer versions of Node. */
interface WithHooks {
  registerHooks?(hooks: { readonly resolve: (specifier: string, context: Context, next: Resolve) => unknown }): unknown;
}

let installed = false;

export function resolveOwnImports(): void {
  if (installed) return;
  installed = true;
  const { register, registerHooks }: Pick<typeof nodeModule, 'register'> & WithHooks = nodeModule;
  if (registerHooks === undefined) {
    register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: { here: HERE, entries: ENTRIES } });
    return;
  }
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!OURS.test(specifier) || !isMissing(error)) throw error;
        return next(ENTRIES[specifier] ?? specifier, { ...context, parentURL: HERE });
      }
    },
  });
}

/**
 * The subpath of this package that an import named and that is not promised; null if the import
 * failed otherwise.
 */
export function unpromisedIn(error: unknown): string | null {
  if (!(error instanceof Error && 'code' in error && error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED')) return null;
  const [, subpath, manifest = ''] =
    /Package subpath '\.\/([^']+)' is not defined by "exports" in (.+?[\\/]package\.json)/.exec(error.message) ?? [];
  return subpath !== undefined && (/[\\/]worldswitch[\\/]package\.json$/.test(manifest) || isOwnManifest(manifest))
    ? `worldswitch/${subpath}`
    : null;
}

/** The manifest of the running program, wherever it lies. */
const isOwnManifest = (manifest: string): boolean => nodeModule.createRequire(HERE).resolve('worldswitch/package.json') === manifest;
