/**
 * A module of the user's own imports `worldswitch/…`. Where no such package is installed beside it, the running program is meant: a patch
 * in a folder of its own needs no project around it.
 */
import * as nodeModule from 'node:module';

/** Anything within the package: a name that is resolved from here is the package's own. */
const HERE = import.meta.url;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND');

/** The same for Node 20, whose hooks run on a thread of their own and so are a module of their own. */
const HOOKS = `
let here;
export function initialize(data) { here = data; }
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!specifier.startsWith('worldswitch/') || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return next(specifier, { ...context, parentURL: here });
  }
}`;

interface Context {
  readonly parentURL?: string;
}
type Resolve = (specifier: string, context: Context) => unknown;
/** Of newer Nodes. */
interface WithHooks {
  registerHooks?(hooks: { readonly resolve: (specifier: string, context: Context, next: Resolve) => unknown }): unknown;
}

let installed = false;

export function resolveOwnImports(): void {
  if (installed) return;
  installed = true;
  const { register, registerHooks }: Pick<typeof nodeModule, 'register'> & WithHooks = nodeModule;
  if (registerHooks === undefined) {
    register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: HERE });
    return;
  }
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!specifier.startsWith('worldswitch/') || !isMissing(error)) throw error;
        return next(specifier, { ...context, parentURL: HERE });
      }
    },
  });
}
