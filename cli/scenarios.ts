/** `scenarios`: what is shipped, or the file of one. */

import { shippedNames } from '../api/shipped-scenarios.ts';
import { mutantsOf } from '../sim/host/registry.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import type { Expectation } from '../sim/scenario/types.ts';
import { type LoadedScenario, loadReference } from './catalog.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './errors.ts';
import { styled, table } from './output.ts';

const documentOf = ({ scenario }: LoadedScenario) => {
  const { name, summary, source = '', claims = [], params = {}, expect = {} } = scenario;
  const variants = variantNames(scenario);
  return { name, summary, source, claims, params, variants, default: variants[0], expect };
};
/** Mutants are the same for all hosts of an architecture: a list of scenarios would repeat them. */
const withMutants = (loaded: LoadedScenario) => ({
  ...documentOf(loaded),
  mutants: Object.fromEntries(Object.entries(mutantsOf(loaded.scenario.host.arch)).map(([id, mutant]) => [id, mutant.summary])),
});

const expectationText = (expectation: Expectation | undefined): string =>
  expectation === undefined ? '' : expectation === 'clean' ? 'clean' : `breaks ${expectation.violates.join(', ')}`;

/** The schema that an editor reads, as a path from the file: what is printed lies elsewhere. */
const EDITOR_LINE = /^# yaml-language-server: .*\n/;

function run({ io, out, json, args }: Call): number {
  const [name] = args;
  const loaded = (name === undefined ? shippedNames() : [name]).map((reference) => loadReference(reference, io));
  if (json) {
    out.json(name === undefined ? loaded.map(documentOf) : loaded.map(withMutants));
    return EXIT.ok;
  }
  if (name !== undefined) {
    out.lines(loaded[0]!.text.replace(EDITOR_LINE, ''));
    return EXIT.ok;
  }
  for (const one of loaded) {
    const { name: id, summary, params, variants, expect } = documentOf(one);
    out.line(styled('bold', id), `  ${summary}`);
    table(
      out,
      variants.map((variant, i) => [`--variant ${variant}`, expectationText(expect[variant]), i === 0 ? styled('dim', 'default') : '']),
    );
    const set = Object.entries(params).map(([key, parameter]) => `--set ${key}=${parameter.default}`);
    if (set.length > 0) out.line(`  ${set.join(' ')}`);
    out.line();
  }
  out.line('Run one: worldswitch run NAME. Read one: worldswitch scenarios NAME.');
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '[name]',
  details: ['With NAME the file itself is printed: redirect it to start a scenario of your own.'],
  options: [],
  examples: [
    ['scenarios', 'what is shipped, with variants and what they are known to do'],
    ['scenarios rmp-host-write-race', 'its file'],
    ['scenarios rmp-churn > mine.yaml', 'a copy to change'],
    ['scenarios --json', 'for programs'],
  ],
  run,
};
