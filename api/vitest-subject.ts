/** What a matcher looks at: a scenario as a test names it, with modules of the test's own. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { noteModelFile } from '../cli/model-files.ts';
import { hashOf, mechanismsIn } from '../cli/models.ts';
import { registerOwn } from '../sim/host/own-mechanism.ts';
import type { ParameterValue } from '../sim/scenario/types.ts';
import type { ScenarioOptions, ScenarioSource } from './scenario.ts';
import { shippedNames } from './shipped-scenarios.ts';

/**
 * Modules of your own by the path of their file, each as it was imported:
 * `import * as race from './race.js'` and `models: { './race.js': race }`. Commands in messages
 * name the files. They take part in this one assertion.
 * @public
 */
export type TestModels = Readonly<Record<string, object>>;

/** What every matcher takes. @public */
export interface SubjectOptions extends ScenarioOptions {
  readonly models?: TestModels;
}

/** A scenario, and what a command calls it: null where it has no name. */
export interface Subject {
  readonly source: ScenarioSource;
  readonly reference: string | null;
}

const isPath = (text: string): boolean => /\.ya?ml$/.test(text) || text.includes('/');

/** @throws Error if it is no scenario, or there is no such file */
export function subjectOf(received: unknown): Subject {
  if (typeof received === 'string') {
    if (received.includes('\n')) return { source: received, reference: null };
    return isPath(received) ? { source: readFileSync(received, 'utf8'), reference: received } : { source: received, reference: received };
  }
  if (typeof received === 'object' && received !== null) return { source: received as ScenarioSource, reference: null };
  throw new TypeError(
    `found ${String(received)}; expected a scenario: the name of a shipped one, the path of a file, the text of one, or an object`,
  );
}

/** Does something while the modules take part. @throws MechanismError, CliError */
export function withModels<T>(models: TestModels, use: () => T): T {
  const undos: (() => void)[] = [];
  const cwd = process.cwd();
  try {
    for (const [file, exports] of Object.entries(models)) {
      const sha256 = hashOf(resolve(cwd, file), file);
      undos.push(noteModelFile({ file, cwd }));
      for (const [value, where] of mechanismsIn(exports as Readonly<Record<string, unknown>>, file))
        undos.push(registerOwn(value, where, { file, sha256 }, shippedNames()));
    }
    return use();
  } finally {
    for (const undo of undos.reverse()) undo();
  }
}

/** The words of a command that choose the same of a scenario. */
export function selectionWords({ variant, set = {}, mutant, liveness }: ScenarioOptions): string[] {
  const params: [string, ParameterValue][] = Object.entries(set);
  return [
    ...(variant === undefined ? [] : ['--variant', variant]),
    ...params.flatMap(([name, value]) => ['--set', `${name}=${String(value)}`]),
    ...(mutant === undefined ? [] : ['--mutant', mutant]),
    ...(liveness ? ['--liveness'] : []),
  ];
}
